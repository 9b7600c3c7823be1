package devkms

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"anchorhold/protocol/keypolicy"
)

// Users says which account and Region the KMS plays and who may sign requests. Trusted: who edits
// this can use every key whose policy names one of these principals.
type Users struct {
	Account string `yaml:"account"` // 12 digits: owner of all keys
	Region  string `yaml:"region"`
	Users   []User `yaml:"users"`
}

// A User is one principal with its credentials.
type User struct {
	// user, role or assumed-role session, of any account; or the host name of an AWS service
	ARN string `yaml:"arn"`
	// such as AROA…, by which a key policy may name the principal; empty: none does
	UniqueID string `yaml:"unique-id"`
	// host name of the AWS service that makes the calls for this principal; empty: it calls itself
	Via string `yaml:"via"`
	// of the resource on whose behalf an AWS service calls; empty: none
	SourceARN       string `yaml:"source-arn"`
	AccessKeyID     string `yaml:"access-key-id"`
	SecretAccessKey string `yaml:"secret-access-key"`
	SessionToken    string `yaml:"session-token"` // empty: requests must carry none

	// Identity are the actions, such as kms:Decrypt or kms:*, that the principal's IAM policies
	// allow. Nil: all; empty: none.
	Identity []string `yaml:"identity"`
}

var (
	accountPattern   = regexp.MustCompile(`^[0-9]{12}$`)
	regionPattern    = regexp.MustCompile(`^[a-z]{2}(-[a-z]+)+-[0-9]$`)
	principalPattern = regexp.MustCompile(`^arn:aws:(iam::[0-9]{12}:(user|role)/|sts::[0-9]{12}:assumed-role/[^/]+/)[A-Za-z0-9+=,.@_/-]+$`)
	servicePattern   = regexp.MustCompile(`^[a-z0-9-]+(\.[a-z0-9-]+)?\.amazonaws\.com$`)
	actionPattern    = regexp.MustCompile(`^kms:(\*|[A-Za-z]+)$`)
	accessKeyPattern = regexp.MustCompile(`^[A-Za-z0-9_]{16,128}$`)
)

// ParseUsers reads a users file and reports every fault in it.
func ParseUsers(src []byte) (*Users, error) {
	dec := yaml.NewDecoder(bytes.NewReader(src))
	dec.KnownFields(true)
	var u Users
	if err := dec.Decode(&u); err != nil {
		// yaml's errors quote values, which may be secrets
		return nil, errors.New("malformed users file")
	}
	if err := dec.Decode(&yaml.Node{}); !errors.Is(err, io.EOF) {
		return nil, errors.New("malformed users file: data after the first document")
	}
	var faults []error
	if !accountPattern.MatchString(u.Account) {
		faults = append(faults, errors.New("account must be 12 digits"))
	}
	if !regionPattern.MatchString(u.Region) {
		faults = append(faults, errors.New("invalid region"))
	}
	if len(u.Users) == 0 {
		faults = append(faults, errors.New("no users"))
	}
	seen := make(map[string]bool)
	for i, user := range u.Users {
		switch {
		case !principalPattern.MatchString(user.ARN) && !user.service():
			faults = append(faults, fmt.Errorf("user %d: arn must be that of a user, role or assumed role, or the host name of an AWS service", i))
		case user.Via != "" && (user.service() || !servicePattern.MatchString(user.Via)):
			faults = append(faults, fmt.Errorf("user %d: via must be the host name of an AWS service, beside a user or role", i))
		case user.SourceARN != "" && (!user.service() || !strings.HasPrefix(user.SourceARN, "arn:")):
			faults = append(faults, fmt.Errorf("user %d: source-arn must be an ARN, and arn an AWS service", i))
		case !accessKeyPattern.MatchString(user.AccessKeyID):
			faults = append(faults, fmt.Errorf("user %d: access-key-id must be 16 to 128 letters and digits", i))
		case len(user.SecretAccessKey) < 16:
			faults = append(faults, fmt.Errorf("user %d: secret-access-key is shorter than 16 bytes", i))
		case slices.ContainsFunc(user.Identity, func(a string) bool { return !actionPattern.MatchString(a) }):
			faults = append(faults, fmt.Errorf("user %d: identity must be actions such as kms:Decrypt, or kms:*", i))
		case seen[user.AccessKeyID]:
			faults = append(faults, fmt.Errorf("user %d: duplicate access-key-id", i))
		}
		seen[user.AccessKeyID] = true
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	return &u, nil
}

func (u *Users) find(accessKeyID string) (*User, bool) {
	for i := range u.Users {
		if u.Users[i].AccessKeyID == accessKeyID {
			return &u.Users[i], true
		}
	}
	return nil, false
}

// service tells whether the principal is an AWS service.
func (u *User) service() bool { return servicePattern.MatchString(u.ARN) }

// account is the principal's own, which may differ from the one that owns the keys; an AWS service
// has none.
func (u *User) account() string {
	if u.service() {
		return ""
	}
	return strings.Split(u.ARN, ":")[4] // ParseUsers has checked its form
}

// roleARN is what aws:PrincipalArn holds.
func (u *User) roleARN() string { return keypolicy.RoleARN(u.ARN) }

// permitted says whether the principal's IAM policies allow an action.
func (u *User) permitted(action string) bool {
	return u.Identity == nil || slices.Contains(u.Identity, "kms:*") || slices.Contains(u.Identity, action)
}

// tokenMatches compares hashes, so that neither content nor length of the token shows in the time
// taken.
func (u *User) tokenMatches(token string) bool {
	a, b := sha256.Sum256([]byte(u.SessionToken)), sha256.Sum256([]byte(token))
	return subtle.ConstantTimeCompare(a[:], b[:]) == 1
}
