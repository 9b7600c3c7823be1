#!/usr/bin/env python3
"""Writes the ramdisks that nitro-cli gets from LinuxKit:
    linuxkit.py root EXPORT.tar CMD ENV OUT
    linuxkit.py boot INIT MODULE OUT

EXPORT.tar is what `docker export` gives, CMD and ENV are the files that nitro-cli writes of the image's configuration.
Follows the sources of LinuxKit 1.5.2 (moby/build/image.go, initrd/initrd.go) with AWS's three patches, and nitro-cli
1.5.0 (enclave_build/src/yaml_generator.rs). It shares no code with anchorhold-eif.
"""
import stat
import sys
import tarfile

EXCLUDED = {".dockerenv", "Dockerfile", "dev/console", "dev/pts", "dev/shm", "etc/hostname"}
HOSTS = (
    b"127.0.0.1       localhost\n::1     localhost ip6-localhost ip6-loopback\nfe00::0 ip6-localnet\n"
    b"ff00::0 ip6-mcastprefix\nff02::1 ip6-allnodes\nff02::2 ip6-allrouters\n"
)
RESOLV = b"/run/resolvconf/resolv.conf"
TOUCHED = {  # name in the archive: type, mode, contents or target if Docker did not export it
    "dev/": (stat.S_IFDIR, 0o755, b""),
    "dev/pts/": (stat.S_IFDIR, 0o755, b""),
    "dev/shm/": (stat.S_IFDIR, 0o755, b""),
    "etc/": (stat.S_IFDIR, 0o755, b""),
    "etc/hosts": (stat.S_IFREG, 0o644, HOSTS),
    "etc/mtab": (stat.S_IFLNK, 0o755, b"/proc/mounts"),
    "etc/resolv.conf": (stat.S_IFLNK, 0o644, RESOLV),
    "proc/": (stat.S_IFDIR, 0o755, b""),
    "sys/": (stat.S_IFDIR, 0o755, b""),
}
TIME = 1492533000  # 2017-04-18T16:30:00Z


class Archive:
    """A cpio archive as LinuxKit's library writes it."""

    def __init__(self):
        self.data, self.inode = bytearray(), 721

    def add(self, name, kind, mode, mtime, data=b"", uid=0, gid=0, links=None):
        links = links or (2 if kind == stat.S_IFDIR else 1)
        fields = (self.inode, kind | mode, uid, gid, links, mtime, len(data), 3, 1, 0, 0, len(name) + 1, 0)
        self.inode += 1
        self.data += b"070701" + b"".join(b"%08x" % f for f in fields) + name.encode() + b"\0"
        self.pad(4)
        self.data += data
        self.pad(4)

    def pad(self, n):
        self.data += bytes(-len(self.data) % n)


def image(out, export):
    """Adds the files of an exported Docker image under rootfs/."""
    out.add("rootfs", stat.S_IFDIR, 0o755, TIME)
    found = set()
    for m in export:
        name = m.name + ("/" if m.isdir() else "")  # as Go's archive/tar has it
        if name in EXCLUDED:
            continue
        kind = {tarfile.DIRTYPE: stat.S_IFDIR, tarfile.REGTYPE: stat.S_IFREG, tarfile.SYMTYPE: stat.S_IFLNK}[m.type]
        data, mtime = b"", int(m.mtime)
        if kind == stat.S_IFREG:
            data = export.extractfile(m).read()
        elif kind == stat.S_IFLNK:
            data = m.linkname.encode()
        if name in TOUCHED:
            found.add(name)
            mtime = TIME
        if name == "etc/hosts":
            data = HOSTS
        elif name == "etc/resolv.conf":
            kind, data = stat.S_IFLNK, RESOLV
        out.add("rootfs/" + name, kind, m.mode, mtime, data, m.uid, m.gid)
    for name in sorted(TOUCHED.keys() - found):
        kind, mode, data = TOUCHED[name]
        out.add("rootfs/" + name.rstrip("/"), kind, mode, TIME, data)


def read(path):
    with open(path, "rb") as f:
        return f.read()


def root(export, cmd, env):
    out = Archive()
    with tarfile.open(export) as t:
        image(out, t)
    for name in ("rootfs", "rootfs/dev", "rootfs/run", "rootfs/sys", "rootfs/var", "rootfs/proc", "rootfs/tmp"):
        out.add(name, stat.S_IFDIR, 0o755, TIME)
    out.add("cmd", stat.S_IFREG, 0o644, TIME, read(cmd))
    out.add("env", stat.S_IFREG, 0o644, TIME, read(env))
    return out


def boot(init, module):
    out = Archive()
    out.add("dev", stat.S_IFDIR, 0o755, TIME)
    out.add("init", stat.S_IFREG, 0o755, TIME, read(init))
    out.add("nsm.ko", stat.S_IFREG, 0o755, TIME, read(module))
    return out


def main(kind, *args):
    out = {"root": root, "boot": boot}[kind](*args[:-1])
    out.add("TRAILER!!!", 0, 0, 0, links=1)
    out.pad(512)
    with open(args[-1], "wb") as f:
        f.write(out.data)


main(*sys.argv[1:])
