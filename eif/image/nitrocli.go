package image

import (
	"bytes"
	"fmt"

	"anchorhold/protocol/measure"
)

// NitroCLIParts are what nitro-cli makes an image of: AWS's blobs, and the two files of our Docker
// image (eif/Dockerfile).
type NitroCLIParts struct {
	Kernel, Init, NSMModule []byte // bzImage, init and nsm.ko of /usr/share/nitro_enclaves/blobs
	CommandLine             string // the blobs' cmdline, trimmed
	Program, Policy         []byte
}

// Measure returns the registers of the image that nitro-cli builds of these parts.
func (p NitroCLIParts) Measure() measure.Image {
	boot, root := p.Ramdisks()
	return measure.Compute(p.Kernel, p.CommandLine, boot, root)
}

// What Docker and LinuxKit add to an image's two files.
const (
	nitroProgram = "anchorhold-enclave"
	nitroHosts   = "127.0.0.1       localhost\n::1     localhost ip6-localhost ip6-loopback\nfe00::0 ip6-localnet\n" +
		"ff00::0 ip6-mcastprefix\nff02::1 ip6-allnodes\nff02::2 ip6-allrouters\n"
	// nitroResolv is the target of the link that LinuxKit puts in place of etc/resolv.conf in
	// images of its init section.
	nitroResolv = "/run/resolvconf/resolv.conf"
	// linuxkitTime is the modification time of everything that LinuxKit adds: 2017-04-18 16:30:00.
	linuxkitTime = 1492533000
)

// Ramdisks returns both ramdisks as nitro-cli writes them: LinuxKit 1.5.2 with AWS's patches, in
// format kernel+initrd-nogz, from what `docker export` gives of an image of eif/Dockerfile.
// Sources: nitro-cli, enclave_build/src/yaml_generator.rs; LinuxKit, moby/build/image.go and
// initrd/initrd.go.
func (p NitroCLIParts) Ramdisks() (boot, root []byte) {
	b := newLinuxkit()
	b.folder("dev")
	b.file("init", 0o755, linuxkitTime, p.Init)
	b.file("nsm.ko", 0o755, linuxkitTime, p.NSMModule)
	boot = b.close()

	r := newLinuxkit()
	r.folder("rootfs")
	// Docker's export, by name. Its folders end in a slash, so LinuxKit's exclude list does not
	// match dev/pts and dev/shm.
	r.file("rootfs/"+nitroProgram, 0o755, 0, p.Program)
	r.folder("rootfs/dev/")
	r.folder("rootfs/dev/pts/")
	r.folder("rootfs/dev/shm/")
	r.folder("rootfs/etc/")
	r.file("rootfs/etc/hosts", 0o755, linuxkitTime, []byte(nitroHosts))
	r.link("rootfs/etc/mtab", 0o777, "/proc/mounts")
	// Docker exports a file of mode 0755. LinuxKit makes it a link and keeps the mode.
	r.link("rootfs/etc/resolv.conf", 0o755, nitroResolv)
	r.file("rootfs/policy.cbor", 0o444, 0, p.Policy)
	r.folder("rootfs/proc/")
	r.folder("rootfs/sys/")
	// nitro-cli's own list.
	for _, name := range []string{"rootfs", "rootfs/dev", "rootfs/run", "rootfs/sys", "rootfs/var", "rootfs/proc", "rootfs/tmp"} {
		r.folder(name)
	}
	r.file("cmd", 0o644, linuxkitTime, []byte("/"+nitroProgram+"\n"))
	r.file("env", 0o644, linuxkitTime, []byte("PATH=/\n"))
	return boot, r.close()
}

// linuxkit writes cpio as LinuxKit's library does: inodes from 721, device 3:1, lower-case digits,
// padding to 512 bytes.
type linuxkit struct {
	b     bytes.Buffer
	inode uint32
}

func newLinuxkit() *linuxkit { return &linuxkit{inode: 721} }

func (l *linuxkit) folder(name string) { l.entry(name, 0o40755, 2, linuxkitTime, nil) }

func (l *linuxkit) file(name string, permissions, mtime uint32, data []byte) {
	l.entry(name, 0o100000|permissions, 1, mtime, data)
}

func (l *linuxkit) link(name string, permissions uint32, target string) {
	l.entry(name, 0o120000|permissions, 1, linuxkitTime, []byte(target))
}

func (l *linuxkit) entry(name string, mode, links, mtime uint32, data []byte) {
	l.b.WriteString("070701")
	for _, v := range []uint32{l.inode, mode, 0, 0, links, mtime, uint32(len(data)), 3, 1, 0, 0, uint32(len(name) + 1), 0} {
		fmt.Fprintf(&l.b, "%08x", v)
	}
	l.inode++
	l.b.WriteString(name + "\x00")
	l.pad(4)
	l.b.Write(data)
	l.pad(4)
}

func (l *linuxkit) pad(to int) {
	for l.b.Len()%to != 0 {
		l.b.WriteByte(0)
	}
}

func (l *linuxkit) close() []byte {
	l.entry("TRAILER!!!", 0, 1, 0, nil)
	l.pad(512)
	return l.b.Bytes()
}
