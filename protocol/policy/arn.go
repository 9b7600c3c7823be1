package policy

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// KeyARN is a KMS key ARN taken apart.
type KeyARN struct{ Partition, Region, Account, ID string }

// dnsSuffix gives the partitions that are supported and the DNS suffix of their endpoints.
var dnsSuffix = map[string]string{
	"aws":        "amazonaws.com",
	"aws-cn":     "amazonaws.com.cn",
	"aws-us-gov": "amazonaws.com",
}

var (
	regionPattern  = regexp.MustCompile(`^[a-z]{2}(-[a-z]+){1,3}-[0-9]{1,2}$`)
	accountPattern = regexp.MustCompile(`^[0-9]{12}$`)
	keyIDPattern   = regexp.MustCompile(`^([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|mrk-[0-9a-f]{32})$`)
)

var errKeyARN = errors.New("malformed key ARN: want arn:PARTITION:kms:REGION:ACCOUNT:key/ID")

// ParseKeyARN takes a full key ARN apart. Aliases, bare ids and unknown partitions are refused: an
// alias can be pointed at another key by whoever administers the account, and the host that the
// enclave connects to comes from partition and Region.
func ParseKeyARN(s string) (KeyARN, error) {
	parts := strings.Split(s, ":")
	if len(parts) != 6 || parts[0] != "arn" || parts[2] != "kms" {
		return KeyARN{}, errKeyARN
	}
	id, ok := strings.CutPrefix(parts[5], "key/")
	if !ok {
		return KeyARN{}, fmt.Errorf("%w; aliases are not accepted", errKeyARN)
	}
	a := KeyARN{Partition: parts[1], Region: parts[3], Account: parts[4], ID: id}
	if dnsSuffix[a.Partition] == "" || !a.regionFits() || !accountPattern.MatchString(a.Account) || !keyIDPattern.MatchString(id) {
		return KeyARN{}, errKeyARN
	}
	return a, nil
}

// regionFits keeps a Region in its partition: the DNS suffix of the host would be wrong otherwise.
func (a KeyARN) regionFits() bool {
	if !regionPattern.MatchString(a.Region) {
		return false
	}
	switch a.Partition {
	case "aws-cn":
		return strings.HasPrefix(a.Region, "cn-")
	case "aws-us-gov":
		return strings.HasPrefix(a.Region, "us-gov-")
	default:
		return !strings.HasPrefix(a.Region, "cn-") && !strings.HasPrefix(a.Region, "us-gov-")
	}
}

// MultiRegion reports whether the key is a multi-Region key. Replicas share its key material under
// policies of their own, so a condition in one key policy does not bind the others; policies refuse
// such keys.
func (a KeyARN) MultiRegion() bool { return strings.HasPrefix(a.ID, "mrk-") }

// Host returns the DNS name of the KMS endpoint of the key's Region.
func (a KeyARN) Host() string {
	return "kms." + a.Region + "." + dnsSuffix[a.Partition]
}

// String returns the ARN.
func (a KeyARN) String() string {
	return "arn:" + a.Partition + ":kms:" + a.Region + ":" + a.Account + ":key/" + a.ID
}
