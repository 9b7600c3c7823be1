package pid1

// Situation is how the program came to run. Nobody outside the enclave has a say in what Situate
// tells it from.
type Situation int

const (
	// Guest is a process under a foreign init: nitro-cli's layout, or no enclave at all.
	Guest Situation = iota
	// First is PID 1.
	First
	// Served is the process that Main started.
	Served
)
