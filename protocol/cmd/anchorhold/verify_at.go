package main

import (
	"time"

	"anchorhold/protocol/cli"
)

const atDay = "2006-01-02"

// judgedAt returns the time that a file is judged at: now, or what --at says. A day stands for its
// last moment, because pins expire with a day's end.
func (f verifyFlags) judgedAt(now time.Time) (time.Time, error) {
	if f.at == "" {
		return now, nil
	}
	at, err := time.Parse(time.RFC3339, f.at)
	if err != nil {
		day, err := time.Parse(atDay, f.at)
		if err != nil {
			return time.Time{}, cli.Usage("--at: expected a day, YYYY-MM-DD, or a time, YYYY-MM-DDThh:mm:ssZ")
		}
		if at = day.AddDate(0, 0, 1).Add(-time.Millisecond); day.Before(now) && at.After(now) {
			at = now // today
		}
	}
	if at.After(now) {
		return time.Time{}, cli.Usage("--at %s lies ahead: nobody knows what will hold then", f.at)
	}
	return at, nil
}
