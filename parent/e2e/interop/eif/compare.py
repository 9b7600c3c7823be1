#!/usr/bin/env python3
"""Compares anchorhold-eif with AWS's library: compare.py ANCHORHOLD_EIF EIF_INTEROP PROGRAM POLICY WORK

Images built by one are read by the other, for a matrix of shapes: registers, checksum, architecture, metadata, certificate
and signature verdict must be the same. Unsigned images of the same parts must be the same bytes.
"""
import json
import os
import random
import struct
import subprocess
import sys
import zlib

ours_tool, theirs_tool, program, policy, work = sys.argv[1:]
os.chdir(work)
LINE = "console=ttyS0"
faults, checks = [], 0


def check(name, what, got, want):
    global checks
    checks += 1
    if got != want:
        faults.append(f"{name}: {what}: anchorhold-eif has {got!r}, AWS's library {want!r}")


def run(*args, code=0):
    p = subprocess.run(args, capture_output=True, text=True)
    if p.returncode != code:
        sys.exit(f"{' '.join(args)}: exit code {p.returncode}, want {code}: {p.stdout}{p.stderr}")
    return p.stdout


def write(path, data):
    with open(path, "wb") as f:
        f.write(data)
    return path


def read(path):
    with open(path, "rb") as f:
        return f.read()


def kernel(arch):
    b = bytearray(random.Random(arch).randbytes(5000))
    if arch == "aarch64":
        b[0x38:0x3c] = b"ARM\x64"
    else:
        b[0x1fe:0x200], b[0x202:0x206] = b"\x55\xaa", b"HdrS"
        b[0x20e:0x210] = b"\0\0"
    return write(f"kernel-{arch}", bytes(b))


def elf(arch):
    """elf returns a program for an architecture; nothing runs it."""
    if arch == "x86_64":
        return program
    b = bytearray(read(program))
    b[18:20] = struct.pack("<H", 183)
    return write("program-aarch64", bytes(b))


def certificate(name, curve, days=30, cn="signer"):
    run("openssl", "ecparam", "-name", curve, "-genkey", "-noout", "-out", f"{name}.key")
    args = ["-days", str(days)] if days > 0 else ["-not_before", "20200101000000Z", "-not_after", "20210101000000Z"]
    if days > 0:
        run("openssl", "req", "-new", "-x509", "-key", f"{name}.key", "-out", f"{name}.pem", "-subj", f"/C=US/O=Test/CN={cn}", *args)
        return
    # `req -x509` of OpenSSL 3.0 cannot date back; `ca` can.
    run("openssl", "req", "-new", "-key", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/C=US/O=Test/CN={cn}")
    write("index.txt", b"")
    write("serial", b"01\n")
    write("ca.cnf", b"[ca]\ndefault_ca=x\n[x]\ndatabase=index.txt\nserial=serial\nnew_certs_dir=.\ndefault_md=sha384\npolicy=p\n[p]\nCN=supplied\n")
    run("openssl", "ca", "-batch", "-selfsign", "-notext", "-config", "ca.cnf", "-in", f"{name}.csr", "-keyfile", f"{name}.key",
        "-startdate", "20200101000000Z", "-enddate", "20210101000000Z", "-out", f"{name}.pem")


def describe(path):
    p = subprocess.run([ours_tool, "describe", "--json", path], capture_output=True, text=True)
    return p.returncode, json.loads(p.stdout) if p.stdout else None, p.stderr


def compare(images):
    """compare describes images with both. theirs is asked once for all."""
    lines = run(theirs_tool, "describe", *images).splitlines()
    for path, line in zip(images, lines, strict=True):
        theirs = json.loads(line)
        code, ours, err = describe(path)
        if "error" in theirs:  # a certificate that it cannot read hides everything there
            check(path, "exit code", code, 3)
            check(path, "registers", ours is not None and ours["Measurements"]["PCR0"], unsigned)
            check(path, "SignatureCheck", "SignatureCheck" in ours, False)
            print(f"  {path}: AWS's library: {theirs['error'][:36]}; anchorhold-eif: PCR0 to 2, {ours['Faults'][0]}")
            continue
        if ours is None:
            faults.append(f"{path}: AWS's library reads it, anchorhold-eif does not: {err}")
            continue
        compare_one(path, code, ours, theirs)


def compare_one(path, code, ours, theirs):
    for pcr in ("PCR0", "PCR1", "PCR2", "PCR8"):
        check(path, pcr, ours["Measurements"].get(pcr), theirs["measurements"].get(pcr))
    check(path, "CheckCRC", ours["CheckCRC"], theirs["crc"])
    check(path, "architecture", ours["Architecture"] == "aarch64", theirs["arm64"])
    check(path, "sections", len(ours["Sections"]), theirs["sections"])
    check(path, "sizes", [s["Size"] for s in ours["Sections"]], theirs["sizes"])
    check(path, "signed", ours["IsSigned"], theirs["signed"])
    m = theirs["metadata"]
    check(path, "metadata", m is not None, "ImageName" in ours)
    if m is not None:
        check(path, "ImageName", ours["ImageName"], m["ImageName"])
        check(path, "ImageVersion", ours["ImageVersion"], m["ImageVersion"])
        flat = dict(m["CustomMetadata"] or {}) | m["BuildMetadata"] | {"DockerInfo": m["DockerInfo"]}
        check(path, "Metadata", ours["Metadata"], flat)
    if not theirs["signed"]:
        check(path, "exit code", code, 0)
        return
    check(path, "SignatureCheck", ours.get("SignatureCheck", False), theirs.get("pcr0_signed", False))
    if "certificate" in theirs:
        check(path, "SigningCertificate", ours.get("SigningCertificate"), theirs["certificate"])
    holds = theirs["verify"] is True and theirs.get("pcr0_signed") is True
    check(path, "signature holds", code == 0, holds)
    verified = subprocess.run([ours_tool, "verify-signature", path], capture_output=True).returncode == 0
    check(path, "verify-signature", verified, holds)


def with_certificate(out, path, pem):
    """with_certificate copies an image, signed with p384, with another certificate file in its signature section."""
    run(theirs_tool, "sign", write(out, read(path)), "p384.key", "p384.pem")
    b = read(out)
    n, = struct.unpack(">H", b[26:28])
    at, = struct.unpack(">Q", b[28 + 8 * (n - 1):36 + 8 * (n - 1)])
    old = ints(read("p384.pem"))
    section = b[at + 12:].replace(old, ints(pem), 1)
    b = bytearray(b[:at] + struct.pack(">HHQ", 4, 0, len(section)) + section)
    b[284 + 8 * (n - 1):292 + 8 * (n - 1)] = struct.pack(">Q", len(section))
    return write(out, sealed(b))


def sealed(b):
    """sealed returns an image with its checksum."""
    return bytes(b[:544] + struct.pack(">I", zlib.crc32(b[548:], zlib.crc32(b[:544]))) + b[548:])


def ints(data):
    """ints is CBOR: an array of small integers."""
    def head(major, n):
        for info, size in ((24, 1), (25, 2), (26, 4)):
            if n < 1 << 8 * size:
                return bytes([major << 5 | n]) if n < 24 else bytes([major << 5 | info]) + n.to_bytes(size, "big")
    return head(4, len(data)) + b"".join(head(0, c) for c in data)


def sections(path):
    b, out = read(path), []
    n, = struct.unpack(">H", b[26:28])
    at = 548
    for _ in range(n):
        kind, _, size = struct.unpack(">HHQ", b[at:at + 12])
        out.append((kind, b[at + 12:at + 12 + size]))
        at += 12 + size
    return out


def metadata(custom=None):
    return {
        "ImageName": "name \u00e9 <&>", "ImageVersion": "1.0",
        "BuildMetadata": {"BuildTime": "2026-01-01T00:00:00+00:00", "BuildTool": "tool", "BuildToolVersion": "1",
                          "OperatingSystem": "Linux", "KernelVersion": "6.12"},
        "DockerInfo": {"Id": "sha256:00"}, "CustomMetadata": custom,
    }


def theirs_build(out, arch, ramdisks, key="-", cert="-", custom=None):
    write(f"{out}.json", json.dumps(metadata(custom)).encode())
    run(theirs_tool, "build", out, kernel(arch), LINE, arch, f"{out}.json", key, cert, *ramdisks)
    return out


def built_by_us():
    """Images of our builder: the same bytes from the library, and signed by us."""
    images = []
    for arch in ("x86_64", "aarch64"):
        name = f"ours-{arch}"
        run(ours_tool, "build", "--kernel", kernel(arch), "--program", elf(arch), "--policy", policy, "-o", name)
        parts = sections(name)
        write(f"{name}.json", parts[2][1])
        ramdisks = [write(f"{name}.rd{k}", data) for k, (_, data) in enumerate(parts[3:])]
        run(theirs_tool, "build", f"{name}-theirs", kernel(arch), parts[1][1].decode(), arch, f"{name}.json", "-", "-", *ramdisks)
        check(name, "bytes", read(name) == read(f"{name}-theirs"), True)
        images.append(name)
        for cert in ("p384", "chain"):
            run(ours_tool, "sign", "--key", "p384.key", "--certificate", f"{cert}.pem", "-o", f"{name}-{cert}", name)
            images.append(f"{name}-{cert}")
        # Their signature in place of ours. Integers are written in one byte or two, so its size is another, too.
        write(f"{name}-again", read(f"{name}-p384"))
        run(theirs_tool, "sign", f"{name}-again", "p384.key", "p384.pem")
        images.append(repaired(f"{name}-again"))
    return images


def repaired(name):
    """repaired repairs an image that the library has signed again, if it left a wrong size."""
    code, ours, err = describe(name)
    if code == 0:
        return name
    check(name, "refused, with the way to repair it", (code, ours, "anchorhold-eif repair" in err), (1, None, True))
    run(ours_tool, "repair", "-o", f"{name}-repaired", name)
    return f"{name}-repaired"


def built_by_them():
    images, ramdisks = [], [write(f"rd{k}", random.Random(k).randbytes(999 + k)) for k in range(5)]
    for n in (1, 2, 3, 5):
        images.append(theirs_build(f"theirs-{n}", "x86_64", ramdisks[:n]))
    global unsigned
    unsigned = describe(images[0])[1]["Measurements"]["PCR0"]
    for arch in ("x86_64", "aarch64"):
        for cert in ("p256", "p384", "p521", "expired"):
            images.append(theirs_build(f"theirs-{arch}-{cert}", arch, ramdisks[:2], f"{cert}.key", f"{cert}.pem", {"Owner": "x", "BuildTool": "y"}))
            images.append(theirs_build(f"later-{arch}-{cert}", arch, ramdisks[:2]))
            run(theirs_tool, "sign", images[-1], f"{cert}.key", f"{cert}.pem")
    for form in forms:
        images.append(with_certificate(f"form-{form}", images[0], read(f"{form}.pem")))
    images.append(theirs_build("other-key", "x86_64", ramdisks[:2], "second.key", "p384.pem"))
    return images


def certificates():
    """certificates returns the names of files with the certificate of p384 in other forms."""
    for name, curve in (("p256", "prime256v1"), ("p384", "secp384r1"), ("p521", "secp521r1"), ("second", "secp384r1")):
        certificate(name, curve)
    certificate("expired", "secp384r1", days=0)
    one, two = read("p384.pem"), read("second.pem")
    text = run("openssl", "x509", "-in", "p384.pem", "-text").encode()
    made = {
        "chain": one + two, "mark": b"\xef\xbb\xbf" + one, "text": text, "crlf": one.replace(b"\n", b"\r\n"),
        "label": one.replace(b"CERTIFICATE", b"X509 CERTIFICATE"), "trusted": one.replace(b"CERTIFICATE", b"TRUSTED CERTIFICATE"),
        "no-newline": one.rstrip(b"\n"), "key-first": read("p384.key") + one, "space": one.replace(b"-----\n", b"-----  \n"),
        "cut": one[:len(one) // 2] + b"\n" + two, "bad-first": one.replace(b"MII", b"M!I", 1) + two, "empty-line": one.replace(b"\n", b"\n\n", 1),
        "other-end": one.replace(b"END CERTIFICATE", b"END X509 CERTIFICATE"), "no-end": one.replace(b"-----END CERTIFICATE-----\n", b""),
        "indented": b" " + one, "mark-later": b"\n\xef\xbb\xbf" + one, "none": b"none\n", "second-only": two,
    }
    for name, data in made.items():
        write(f"{name}.pem", data)
    return made.keys()


def signed_again():
    """Signed again with a certificate of another length: the library leaves the old size in the table."""
    images = []
    for before, after in (("p384", "p256"), ("p256", "p384"), ("p384", "chain"), ("chain", "p521")):
        name = f"again-{before}-{after}"
        key = {"chain": "p384"}
        theirs_build(name, "x86_64", ["rd0", "rd1"], f"{key.get(before, before)}.key", f"{before}.pem")
        run(theirs_tool, "sign", name, f"{key.get(after, after)}.key", f"{after}.pem")
        images.append(repaired(name))
    return images


def mutated(source, n):
    """Of images with changed bytes, most of them in header, table or section headers, none may be read by both in different ways."""
    good, rng, images = read(source), random.Random(1), []
    places = list(range(4, 28 + 8 * 7)) + list(range(284, 284 + 8 * 7)) + list(range(540, 548))
    at = 548
    for _, data in sections(source):
        places += list(range(at, at + 12)) + [rng.randrange(at + 12, at + 12 + len(data)) for _ in range(8)]
        at += 12 + len(data)
    for k in range(n):
        b = bytearray(good)
        for _ in range(rng.randint(1, 2)):
            b[rng.choice(places)] = rng.choice((0, 1, 2, 4, 5, 6, 0xff, rng.randrange(256)))
        if rng.random() < 0.3:
            b = b[:rng.randrange(len(b))]
        if len(b) > 548 and rng.random() < 0.8:
            b = sealed(b)
        if bytes(b) != good:
            images.append(write(f"mutant-{k}", bytes(b)))
    accepted = 0
    for path in images:
        p = subprocess.run([theirs_tool, "describe", path], capture_output=True, text=True)
        theirs = json.loads(p.stdout) if p.returncode == 0 else {}  # it aborts when a size is larger than its memory
        _, ours, _ = describe(path)
        if ours is None or "measurements" not in theirs:
            continue
        accepted += 1
        check(path, "registers", {p: ours["Measurements"].get(p) for p in ("PCR0", "PCR1", "PCR2", "PCR8")},
              {p: theirs.get("measurements", {}).get(p) for p in ("PCR0", "PCR1", "PCR2", "PCR8")})
    print(f"  {len(images)} changed images, {accepted} read by both")
    check(source, "some changed images are read", accepted > 0, True)


forms = certificates()
unsigned = None
images = built_by_us() + built_by_them() + signed_again()
compare(images)
mutated("ours-x86_64-p384", 200)
for f in faults:
    print(f, file=sys.stderr)
print(f"{len(images)} images, {checks} comparisons, {len(faults)} differences")
sys.exit(1 if faults or checks < 500 else 0)
