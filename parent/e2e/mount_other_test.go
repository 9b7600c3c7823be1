//go:build !linux

package e2e_test

import "errors"

func mountSmall(string, string) error { return errors.New("not supported on this system") }
