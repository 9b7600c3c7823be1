package compose_test

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"anchorhold/enclave/internal/compose"
	"anchorhold/protocol/measure"
)

const line = measure.CommandLine

func TestCommandLine(t *testing.T) {
	for _, devices := range []string{
		"",
		" virtio_mmio.device=512@0xfeb00000:5 virtio_mmio.device=512@0xfeb00200:6", // QEMU
		// Firecracker
		" virtio_mmio.device=4K@0xd0000000:5 virtio_mmio.device=4K@0xd0001000:6",
		// QEMU's machine nitro-enclave
		"  virtio_mmio.device=512@0xfeb00e00:12 virtio_mmio.device=512@0xfeb00c00:11",
	} {
		if err := compose.CheckCommandLine([]byte(line+devices+"\n"), line); err != nil {
			t.Errorf("%q: %v", devices, err)
		}
	}
}

// TestForeignCommandLine: each of these would start the same files in another way.
func TestForeignCommandLine(t *testing.T) {
	const device = " virtio_mmio.device=512@0xfeb00000:5"
	for name, got := range map[string]string{
		"empty":                       "\n",
		"nothing":                     "",
		"no line break":               line,
		"two line breaks":             line + "\n\n",
		"extra word":                  line + " quiet\n",
		"extra word before":           "quiet " + line + "\n",
		"init":                        line + " init=/policy.cbor\n",
		"rdinit":                      line + " rdinit=/nsm.ko\n",
		"console":                     line + " console=ttyS1\n",
		"repeated word":               line + " panic=-1\n",
		"whole line twice":            line + " " + line + "\n",
		"missing first word":          strings.TrimPrefix(line, "console=ttyS0 ") + "\n",
		"missing last word":           strings.TrimSuffix(line, " random.trust_cpu=on") + "\n",
		"cut within a word":           line[:len(line)-1] + "\n",
		"missing word in the middle":  strings.Replace(line, " oops=panic", "", 1) + "\n",
		"other value":                 strings.Replace(line, "panic=-1", "panic=0", 1) + "\n",
		"words in another order":      strings.Replace(line, "panic=-1 oops=panic", "oops=panic panic=-1", 1) + "\n",
		"two spaces":                  strings.Replace(line, " ", "  ", 1) + "\n",
		"longer last word":            line + "x\n",
		"trailing space":              line + " \n",
		"device without space":        line + device[1:] + "\n",
		"space behind a device":       line + device + " \n",
		"word behind two spaces":      line + "  quiet" + device + "\n",
		"arguments for init":          line + " -- --listen=unix:///x\n",
		"environment":                 line + " GODEBUG=madvdontneed=1\n",
		"word behind a device":        line + device + " init=/x\n",
		"word between devices":        line + device + " quiet virtio_mmio.device=512@0xfeb00200:6\n",
		"device before":               strings.TrimPrefix(device, " ") + " " + line + "\n",
		"device twice":                line + device + device + "\n",
		"device with another size":    line + " virtio_mmio.device=64K@0xfeb00000:5\n",
		"device without address":      line + " virtio_mmio.device=512@:5\n",
		"device in memory":            line + " virtio_mmio.device=512@0x1000000:5\n",
		"device just below the hole":  line + " virtio_mmio.device=512@0xbfffff00:5\n",
		"device above 4 GiB":          line + " virtio_mmio.device=512@0x100000000:5\n",
		"device unaligned":            line + " virtio_mmio.device=512@0xfeb00001:5\n",
		"device without interrupt":    line + " virtio_mmio.device=512@0xfeb00000\n",
		"device with interrupt 0":     line + " virtio_mmio.device=512@0xfeb00000:0\n",
		"device with a sign":          line + " virtio_mmio.device=512@0xfeb00000:+5\n",
		"device with an id":           line + " virtio_mmio.device=512@0xfeb00000:5:0\n",
		"device in capital digits":    line + " virtio_mmio.device=512@0xFEB00000:5\n",
		"device with a quoted word":   line + " virtio_mmio.device=512@0xfeb00000:5\"\n",
		"device with a tab behind":    line + device + "\tinit=/x\n",
		"device with a NUL behind":    line + device + "\x00\n",
		"other parameter of the name": line + " virtio_mmio.devices=512@0xfeb00000:5\n",
		"too many devices":            line + devices(33) + "\n",
		"the other layout's":          measure.NitroCLICommandLine(runtime.GOARCH) + "\n",
	} {
		if err := compose.CheckCommandLine([]byte(got), line); err == nil {
			t.Errorf("%s: %q was taken for what was built", name, got)
		}
	}
	if err := compose.CheckCommandLine([]byte(line+devices(32)+"\n"), line); err != nil {
		t.Errorf("32 devices: %v", err)
	}
}

func devices(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, " virtio_mmio.device=512@0x%x:%d", 0xfeb00000+512*i, 5)
	}
	return b.String()
}

func FuzzCheckCommandLine(f *testing.F) {
	f.Add(devices(2))
	f.Add(" init=/x")
	f.Fuzz(func(t *testing.T, behind string) {
		if compose.CheckCommandLine([]byte(line+behind+"\n"), line) != nil {
			return
		}
		// Every word that passes is a device's.
		for _, word := range strings.Fields(behind) {
			if !strings.HasPrefix(word, "virtio_mmio.device=") {
				t.Errorf("%q passed", behind)
			}
		}
		if strings.ContainsAny(behind, "\n\t\x00\"'") || strings.Contains(behind, "  ") {
			t.Errorf("%q passed", behind)
		}
	})
}

// fresh is what our image presents before anything is mounted.
func fresh() []compose.Entry {
	return []compose.Entry{
		{Path: "/dev", Mode: 0o40755, Links: 2},
		{Path: "/dev/console", Mode: 0o20600, Links: 1, Device: 0x501},
		{Path: "/root", Mode: 0o40700, Links: 2},
		{Path: "/init", Mode: 0o100755, Links: 1, Size: 1 << 20},
		{Path: "/policy.cbor", Mode: 0o100444, Links: 1, Size: 1000},
	}
}

// guest is what an image of nitro-cli presents after AWS's init.
func guest() []compose.Entry {
	return []compose.Entry{
		{Path: "/anchorhold-enclave", Mode: 0o100755, Links: 1, Size: 1 << 20},
		{Path: "/policy.cbor", Mode: 0o100444, Links: 1, Size: 1000},
		{Path: "/dev", Mode: 0o40755, Mount: true},
		{Path: "/proc", Mode: 0o40555, Mount: true},
		{Path: "/run", Mode: 0o40755, Mount: true},
		{Path: "/sys", Mode: 0o40555, Mount: true},
		{Path: "/tmp", Mode: 0o41777, Mount: true},
		{Path: "/var", Mode: 0o40755, Links: 2},
		{Path: "/etc", Mode: 0o40755, Links: 2},
		{Path: "/etc/hosts", Mode: 0o100755, Links: 1, Size: 100},
		{Path: "/etc/mtab", Mode: 0o120777, Links: 1, Size: 12, Target: "/proc/mounts"},
		{Path: "/etc/resolv.conf", Mode: 0o120777, Links: 1, Size: 27, Target: "/run/resolvconf/resolv.conf"},
	}
}

// withLinkModes is guest with the links' mode as the archive has it, which Linux does not keep.
func withLinkModes(mode uint32) []compose.Entry {
	entries := guest()
	for k := range entries {
		if entries[k].Target != "" {
			entries[k].Mode = mode
		}
	}
	return entries
}

func TestFiles(t *testing.T) {
	module := compose.Entry{Path: "/nsm.ko", Mode: 0o100444, Links: 1, Size: 1}
	for name, c := range map[string]struct {
		layout  compose.Layout
		entries []compose.Entry
	}{
		"ours":                             {compose.Anchorhold, fresh()},
		"with the module":                  {compose.Anchorhold, append(fresh(), module)},
		"kernel without files of its own":  {compose.Anchorhold, fresh()[3:]},
		"nitro-cli":                        {compose.NitroCLI, guest()},
		"nitro-cli without LinuxKit's etc": {compose.NitroCLI, guest()[:8]},
		"links with the archive's mode":    {compose.NitroCLI, withLinkModes(0o120755)},
	} {
		if err := compose.CheckFiles(c.layout, c.entries); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestForeignFiles: each is a root file system that ours is not.
func TestForeignFiles(t *testing.T) {
	change := func(path string, f func(*compose.Entry)) func([]compose.Entry) []compose.Entry {
		return func(e []compose.Entry) []compose.Entry {
			f(&e[slices.IndexFunc(e, func(e compose.Entry) bool { return e.Path == path })])
			return e
		}
	}
	add := func(e compose.Entry) func([]compose.Entry) []compose.Entry {
		return func(all []compose.Entry) []compose.Entry { return append(all, e) }
	}
	for name, c := range map[string]struct {
		layout compose.Layout
		change func([]compose.Entry) []compose.Entry
	}{
		"extra file":                   {0, add(compose.Entry{Path: "/x", Mode: 0o100644, Links: 1, Size: 1})},
		"extra hidden file":            {0, add(compose.Entry{Path: "/.x", Mode: 0o100644, Links: 1, Size: 1})},
		"extra folder":                 {0, add(compose.Entry{Path: "/etc", Mode: 0o40755})},
		"file in /dev":                 {0, add(compose.Entry{Path: "/dev/nsm", Mode: 0o100644, Links: 1, Size: 1})},
		"device in /dev":               {0, add(compose.Entry{Path: "/dev/mem", Mode: 0o20600, Device: 0x101})},
		"file in /root":                {0, add(compose.Entry{Path: "/root/x", Mode: 0o100644, Links: 1, Size: 1})},
		"prepared /proc":               {0, add(compose.Entry{Path: "/proc", Mode: 0o40755})},
		"policy in a folder":           {0, add(compose.Entry{Path: "/policy.cbor/x", Mode: 0o100444, Links: 1, Size: 1})},
		"init twice":                   {0, add(fresh()[3])},
		"no init":                      {0, func(e []compose.Entry) []compose.Entry { return slices.Delete(e, 3, 4) }},
		"no policy":                    {0, func(e []compose.Entry) []compose.Entry { return e[:4] }},
		"nothing":                      {0, func([]compose.Entry) []compose.Entry { return nil }},
		"init writable":                {0, change("/init", func(e *compose.Entry) { e.Mode = 0o100777 })},
		"init set-user-id":             {0, change("/init", func(e *compose.Entry) { e.Mode = 0o104755 })},
		"init a link":                  {0, change("/init", func(e *compose.Entry) { e.Mode = 0o120777 })},
		"init linked":                  {0, change("/init", func(e *compose.Entry) { e.Links = 2 })},
		"init a folder":                {0, change("/init", func(e *compose.Entry) { e.Mode = 0o40755 })},
		"init of a user":               {0, change("/init", func(e *compose.Entry) { e.UID = 1 })},
		"init of a group":              {0, change("/init", func(e *compose.Entry) { e.GID = 1 })},
		"policy writable":              {0, change("/policy.cbor", func(e *compose.Entry) { e.Mode = 0o100644 })},
		"policy executable":            {0, change("/policy.cbor", func(e *compose.Entry) { e.Mode = 0o100555 })},
		"policy a link":                {0, change("/policy.cbor", func(e *compose.Entry) { e.Mode = 0o120777 })},
		"policy a pipe":                {0, change("/policy.cbor", func(e *compose.Entry) { e.Mode = 0o010444 })},
		"policy empty":                 {0, change("/policy.cbor", func(e *compose.Entry) { e.Size = 0 })},
		"policy huge":                  {0, change("/policy.cbor", func(e *compose.Entry) { e.Size = 16<<20 + 1 })},
		"policy mounted":               {0, change("/policy.cbor", func(e *compose.Entry) { e.Mount = true })},
		"console another":              {0, change("/dev/console", func(e *compose.Entry) { e.Device = 0x101 })},
		"console a file":               {0, change("/dev/console", func(e *compose.Entry) { e.Mode = 0o100600 })},
		"/dev mounted":                 {0, change("/dev", func(e *compose.Entry) { e.Mount = true })},
		"module executable":            {0, add(compose.Entry{Path: "/nsm.ko", Mode: 0o100755, Links: 1, Size: 1})},
		"module a link":                {0, add(compose.Entry{Path: "/nsm.ko", Mode: 0o120777})},
		"guest: extra file":            {1, add(compose.Entry{Path: "/lib", Mode: 0o40755})},
		"guest: our init":              {1, add(fresh()[3])},
		"guest: in /var":               {1, add(compose.Entry{Path: "/var/x", Mode: 0o100644, Links: 1, Size: 1})},
		"guest: in /etc":               {1, add(compose.Entry{Path: "/etc/ld.so.preload", Mode: 0o100644, Links: 1, Size: 1})},
		"guest: no program":            {1, func(e []compose.Entry) []compose.Entry { return e[1:] }},
		"guest: bare /proc":            {1, change("/proc", func(e *compose.Entry) { e.Mount = false })},
		"guest: mtab a file":           {1, change("/etc/mtab", func(e *compose.Entry) { e.Mode = 0o100644 })},
		"guest: mtab writable":         {1, change("/etc/mtab", func(e *compose.Entry) { e.Mode = 0o120666 })},
		"guest: mtab elsewhere":        {1, change("/etc/mtab", func(e *compose.Entry) { e.Target = "/run/mounts" })},
		"guest: resolv.conf a file":    {1, change("/etc/resolv.conf", func(e *compose.Entry) { e.Mode, e.Target = 0o100755, "" })},
		"guest: resolv.conf elsewhere": {1, change("/etc/resolv.conf", func(e *compose.Entry) { e.Target = "/policy.cbor" })},
		"guest: resolv.conf nowhere":   {1, change("/etc/resolv.conf", func(e *compose.Entry) { e.Target = "" })},
		"guest: resolv.conf of a user": {1, change("/etc/resolv.conf", func(e *compose.Entry) { e.UID = 1 })},
		"guest: program mode":          {1, change("/anchorhold-enclave", func(e *compose.Entry) { e.Mode = 0o100775 })},
	} {
		entries := fresh()
		if c.layout == compose.NitroCLI {
			entries = guest()
		}
		if err := compose.CheckFiles(c.layout, c.change(entries)); err == nil {
			t.Errorf("%s was taken for what was built", name)
		}
	}
	if compose.CheckFiles(compose.NitroCLI, fresh()) == nil || compose.CheckFiles(compose.Anchorhold, guest()) == nil {
		t.Error("one layout was taken for the other")
	}
}

func TestList(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the enclave runs Linux")
	}
	root := t.TempDir()
	must := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.WriteFile(filepath.Join(root, "file"), []byte("four"), 0o640))
	must(os.Chmod(filepath.Join(root, "file"), 0o640))
	must(os.MkdirAll(filepath.Join(root, "a", "b"), 0o750))
	must(os.Symlink("/etc", filepath.Join(root, "a", "link")))
	must(os.Link(filepath.Join(root, "file"), filepath.Join(root, "a", "b", ".hidden")))
	entries, err := compose.List(root)
	must(err)
	got := map[string]compose.Entry{}
	for _, e := range entries {
		got[e.Path] = e
	}
	if len(entries) != 5 || len(got) != 5 {
		t.Fatalf("got %+v, want five entries", entries)
	}
	if f := got["/file"]; f.Mode != 0o100640 || f.Size != 4 || f.Links != 2 || f.Mount {
		t.Errorf("file: got %+v", f)
	}
	// not followed: /etc has many files
	if l := got["/a/link"]; l.Mode != 0o120777 || l.Target != "/etc" {
		t.Errorf("link: got %+v", l)
	}
	if h := got["/a/b/.hidden"]; h.Links != 2 || h.Size != 4 {
		t.Errorf("hidden: got %+v", h)
	}
	for i := range compose.MaxFiles {
		must(os.WriteFile(filepath.Join(root, "a", fmt.Sprint(i)), nil, 0o600))
	}
	if _, err := compose.List(root); err == nil {
		t.Error("an endless root was listed")
	}
}

func TestSwaps(t *testing.T) {
	const head = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"
	for content, fine := range map[string]bool{
		"": true, head: true, head + "/dev/vda2  partition\t1048572\t0\t-2\n": false, head + "/swap file 1 0 -2": false,
	} {
		if err := compose.CheckSwaps([]byte(content)); (err == nil) != fine {
			t.Errorf("%q: got %v", content, err)
		}
	}
}
