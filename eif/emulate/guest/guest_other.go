//go:build !linux

// Package guest is what the programs share that tests run as /init of emulated machines. They run
// on Linux only.
package guest
