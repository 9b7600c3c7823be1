package deid

// MethodWords returns the words of all methods of a rule file.
func MethodWords() []string { return sorted(methods) }

// WordedMethods is how many methods have a word: all but deferred, the last.
const WordedMethods = int(deferred)

// IsPlainCode reports whether the shape "code" takes a code.
func IsPlainCode(code string) bool { return shape{kind: "code"}.fits([]byte(code)) }
