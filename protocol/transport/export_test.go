package transport

// Restrict is tested alone: after Listen its effect cannot be told from that of chmod.
var Restrict = restrict
