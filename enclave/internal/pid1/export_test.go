package pid1

import "time"

// SetHeartbeatTimeout changes how long the hypervisor may take, and returns what undoes it.
func SetHeartbeatTimeout(d time.Duration) func() {
	old := heartbeatTimeout
	heartbeatTimeout = d
	return func() { heartbeatTimeout = old }
}
