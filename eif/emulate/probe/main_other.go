//go:build !linux

// Command probe is a guest for tests of emulated machines.
package main

func main() { panic("for Linux only") }
