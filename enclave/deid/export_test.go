package deid

// MethodWords returns the words of all methods of a rule file.
func MethodWords() []string { return sorted(methods) }
