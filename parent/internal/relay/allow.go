package relay

import "regexp"

const tlsPort = 443

// kmsHost is the name that AWS gives KMS in a Region; the enclave derives it from a key ARN. The
// whole name is matched: a suffix would let kms.us-east-1.amazonaws.com.example.net through.
var kmsHost = regexp.MustCompile(`^kms\.([a-z]{2}(?:-[a-z]+)+-[0-9]{1,2})\.amazonaws\.com(?:\.cn)?$`)

// Allow says which hosts a Relay connects to. The zero Allow permits KMS of every Region.
type Allow struct {
	Region string            // When given, KMS of this Region only.
	Hosts  []string          // Further hosts, on port 443.
	Dial   map[string]string // "host:443" to the address to dial instead; permits the host.
}

// target returns the address to dial for host and port, or false.
func (a Allow) target(host string, port uint16) (string, bool) {
	if port != tlsPort {
		return "", false
	}
	name := hostPort(host, port)
	if to, ok := a.Dial[name]; ok {
		return to, true
	}
	for _, h := range a.Hosts {
		if h == host {
			return name, true
		}
	}
	m := kmsHost.FindStringSubmatch(host)
	if m == nil || (a.Region != "" && m[1] != a.Region) {
		return "", false
	}
	return name, true
}
