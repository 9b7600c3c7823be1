package policy

// Reencode returns the compiled form written anew from the fields.
func (p *Policy) Reencode() ([]byte, error) { return p.encode() }
