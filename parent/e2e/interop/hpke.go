package main

func (l *lab) hpkeChecks() []check { return nil }
