package anonymizer

// MethodNames returns the methods that a rule may name.
func MethodNames() []string { return methods[:] }
