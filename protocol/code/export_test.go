package code

// All is the number of codes that the package knows.
func All() int { return len(codes) + len(records) }
