package measure

// CommandLine is the kernel command line of our own images (SPEC 10): what the builder writes and what the program expects to
// find in /proc/cmdline, followed only by the parameters with which the hypervisor names its devices. eif/REPRODUCE.md says what each
// word is for.
const CommandLine = "console=ttyS0 reboot=t panic=-1 oops=panic pci=off " +
	"i8042.noaux i8042.nomux i8042.nopnp i8042.dumbkbd random.trust_cpu=on"
