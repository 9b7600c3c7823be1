package envelope

// Reencode returns header body and tag written anew from the fields.
func (h *Header) Reencode() []byte { return append(h.appendBody(nil), h.tag[:]...) }
