package sealing

// WalkBody is tested against the envelope's vectors, whose contexts Wrap would refuse first.
var WalkBody = walkBody
