//go:build !linux

// Command awsinit stands in for AWS's init in tests of emulated machines.
package main

func main() { panic("for Linux only") }
