package policy

import "errors"

// CompileYAML compiles a policy.
func CompileYAML(src []byte, preset func(name string) ([]byte, error), readFile func(string) ([]byte, error)) ([]byte, error) {
	return nil, errors.New("policy: unfinished")
}

// Parse reads a compiled policy.
func Parse(compiled []byte) (*Policy, error) { return nil, errors.New("policy: unfinished") }
