//go:build !linux

package boot

func machineMemory() uint64 { return 0 }
