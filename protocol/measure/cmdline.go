package measure

// CommandLine is the kernel command line of our own images (SPEC 10): what the builder writes and
// what the program expects to find in /proc/cmdline, followed only by the parameters with which the
// hypervisor names its devices. eif/REPRODUCE.md says what each word is for.
const CommandLine = "console=ttyS0 reboot=t panic=-1 oops=panic pci=off " +
	"i8042.noaux i8042.nomux i8042.nopnp i8042.dumbkbd random.trust_cpu=on"

// The command lines of AWS's blobs (aws-nitro-enclaves-sdk-bootstrap, kernel/cmdline), which images
// of layout nitro-cli have.
const (
	nitroCLIx86 = "reboot=k panic=30 pci=off nomodules console=ttyS0 " +
		"i8042.noaux i8042.nomux i8042.nopnp i8042.dumbkbd random.trust_cpu=on"
	nitroCLIARM = "reboot=k panic=30 pci=off nomodules console=ttyS0 random.trust_cpu=on root=/dev/ram0"
)

// NitroCLICommandLine returns the command line of images of layout nitro-cli for an architecture as
// Go names it.
func NitroCLICommandLine(arch string) string {
	if arch == "arm64" {
		return nitroCLIARM
	}
	return nitroCLIx86
}
