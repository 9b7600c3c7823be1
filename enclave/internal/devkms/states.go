package devkms

import "time"

// States of a key that were asked for; without one it is enabled, or waits for its material.
const (
	stateEnabled       = "Enabled"
	stateDisabled      = "Disabled"
	stateDeletion      = "PendingDeletion"
	statePendingImport = "PendingImport"
)

// Days that a deletion waits (API reference, ScheduleKeyDeletion). Here it waits for good: no key
// is ever removed.
const (
	minDeletionDays = 7
	maxDeletionDays = 30
)

func (k *key) state() string {
	switch {
	case k.State != "":
		return k.State
	case k.origin() == originImported && k.Material == nil:
		return statePendingImport
	default:
		return stateEnabled
	}
}

// usable refuses cryptography with a key that is not enabled (KMS Developer Guide, "Key states of
// AWS KMS keys").
func (k *key) usable() error {
	switch state := k.state(); state {
	case stateEnabled:
		return nil
	case stateDisabled:
		return &Error{Type: "DisabledException", Message: "the key is disabled."}
	default:
		return invalidState("the key's state is " + state)
	}
}

func invalidState(message string) *Error {
	return &Error{Type: "KMSInvalidStateException", Message: message}
}

// changeKey stores a changed copy of the key.
func (s *Server) changeKey(k *key, change func(*key)) error {
	return s.store.update(func(st *state) error {
		changed := *st.Keys[k.place()]
		change(&changed)
		st.Keys[k.place()] = &changed
		return nil
	})
}

func (s *Server) enableKey(c *call) (Answer, error)  { return s.setState(c, stateDisabled, "") }
func (s *Server) disableKey(c *call) (Answer, error) { return s.setState(c, "", stateDisabled) }

// setState moves a key from one of two states to the other; a key that is there already stays.
func (s *Server) setState(c *call, from, to string) (Answer, error) {
	in, err := parse[keyInput](c)
	if err != nil {
		return nil, err
	}
	t, err := s.ownTarget(c, in.KeyId, "", use{})
	if err != nil {
		return nil, err
	}
	if t.key.State != from && t.key.State != to || t.key.state() == statePendingImport {
		return nil, invalidState("the key's state is " + t.key.state())
	}
	return done(s.changeKey(t.key, func(k *key) { k.State = to }))
}

type deletionInput struct {
	KeyId               string
	PendingWindowInDays *int
}

func (s *Server) scheduleKeyDeletion(c *call) (Answer, error) {
	in, err := parse[deletionInput](c)
	if err != nil {
		return nil, err
	}
	days := maxDeletionDays
	if in.PendingWindowInDays != nil {
		days = *in.PendingWindowInDays
	}
	if days < minDeletionDays || days > maxDeletionDays {
		return nil, validation("PendingWindowInDays must be 7 to 30")
	}
	t, err := s.ownTarget(c, in.KeyId, "", use{})
	if err != nil {
		return nil, err
	}
	if t.key.State == stateDeletion {
		return nil, invalidState("the key's state is " + stateDeletion)
	}
	at := c.time.Add(time.Duration(days) * 24 * time.Hour)
	return Answer{
		"KeyId": s.keyARN(t.key), "KeyState": stateDeletion, "PendingWindowInDays": days, "DeletionDate": float64(at.Unix()),
	}, s.changeKey(t.key, func(k *key) { k.State = stateDeletion })
}

// cancelKeyDeletion leaves the key disabled, as KMS does.
func (s *Server) cancelKeyDeletion(c *call) (Answer, error) {
	in, err := parse[keyInput](c)
	if err != nil {
		return nil, err
	}
	t, err := s.ownTarget(c, in.KeyId, "", use{})
	if err != nil {
		return nil, err
	}
	if t.key.State != stateDeletion {
		return nil, invalidState("the key's state is " + t.key.state())
	}
	return Answer{"KeyId": s.keyARN(t.key)}, s.changeKey(t.key, func(k *key) { k.State = stateDisabled })
}
