package keypolicy

import (
	"errors"
	"regexp"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// rootUser is the resource of an account's root ARN.
const rootUser = "root"

// Kinds of sessions, in their ARNs.
const (
	assumedRole   = "assumed-role"
	federatedUser = "federated-user"
)

// A Principal is one entry of Principal: everyone, a whole account, one ARN, a service, an identity
// provider, or the unique id that AWS puts in place of the ARN of a user or role that was deleted.
type Principal struct {
	Any       bool
	Account   string // all principals of an account: an account id or its root ARN
	ARN       string
	Service   string
	Federated string // an identity provider: it signs in, and never calls KMS itself
	UniqueID  string
}

// String returns the principal as a policy writes it.
func (p Principal) String() string {
	if p.Any {
		return "*"
	}
	return p.Account + p.ARN + p.Service + p.Federated + p.UniqueID // all but one are empty
}

var uniqueID = regexp.MustCompile(`^A(RO|ID|GP)A[A-Z0-9]{8,60}$`)

// parsePrincipals reads "*" or {"AWS": …, "Service": …}. Source: IAM User Guide, "AWS JSON policy
// elements: Principal".
func parsePrincipals(n node) ([]Principal, error) {
	if n.kind == jsontext.KindString {
		if n.text != "*" {
			return nil, errors.New(`must be "*" or an object`)
		}
		return []Principal{{Any: true}}, nil
	}
	if n.kind != jsontext.KindBeginObject || len(n.members) == 0 {
		return nil, errors.New(`must be "*" or an object`)
	}
	var list []Principal
	for _, m := range n.members {
		values, err := m.value.strings()
		if err != nil {
			return nil, err
		}
		for _, v := range values {
			p, err := parsePrincipal(m.name, v)
			if err != nil {
				return nil, err
			}
			list = append(list, p)
		}
	}
	return list, nil
}

func parsePrincipal(kind, v string) (Principal, error) {
	switch kind {
	case "Service":
		if strings.ContainsAny(v, "*?$/:") || !strings.Contains(v, ".") {
			return Principal{}, errors.New("malformed service principal")
		}
		return Principal{Service: v}, nil
	case "Federated":
		if strings.ContainsAny(v, "*?$") || v == "" {
			return Principal{}, errors.New("malformed federated principal")
		}
		return Principal{Federated: v}, nil
	case "CanonicalUser":
		return Principal{}, errors.New("principals of kind CanonicalUser are not supported: they belong to S3")
	case "AWS":
		return parseAWSPrincipal(v)
	default:
		return Principal{}, errors.New("unknown kind of principal")
	}
}

func parseAWSPrincipal(v string) (Principal, error) {
	if v == "*" {
		return Principal{Any: true}, nil
	}
	if isAccount(v) {
		return Principal{Account: v}, nil
	}
	if uniqueID.MatchString(v) {
		return Principal{UniqueID: v}, nil
	}
	// IAM takes no wildcard inside a principal; read as one it would match nothing, or everything.
	if strings.ContainsAny(v, "*?$") {
		return Principal{}, errors.New("wildcard inside a principal")
	}
	a, ok := parseARN(v)
	if !ok || !isAccount(a.account) || a.region != "" {
		return Principal{}, errors.New("malformed principal ARN")
	}
	if a.service == "iam" && a.resource == rootUser {
		return Principal{Account: a.account}, nil
	}
	kind, name, ok := strings.Cut(a.resource, "/")
	legal := a.service == "iam" && (kind == "user" || kind == "role") ||
		a.service == "sts" && (kind == assumedRole || kind == federatedUser)
	if !ok || name == "" || !legal {
		return Principal{}, errors.New("malformed principal ARN")
	}
	return Principal{ARN: v}, nil
}

// matches says whether the request's principal is p. An account means every principal in it: KMS
// then asks that account's IAM, which this package does not see (KMS Developer Guide, "Default key
// policy": allows access to the account).
func (p Principal) matches(r Request) truth {
	switch {
	case p.Any:
		return yes
	case p.Service != "":
		return truthOf(p.Service == r.Principal)
	case p.Account != "":
		return truthOf(p.Account == r.account())
	case p.Federated != "":
		return truthOf(p.Federated == r.Principal)
	case p.UniqueID != "":
		return truthOf(p.UniqueID == r.UniqueID)
	case p.ARN != "":
		return max(truthOf(p.ARN == r.Principal), sessionOf(r.Principal, p.ARN))
	default:
		return no // the zero Principal is nobody
	}
}

func (r Request) account() string {
	if r.Account != "" {
		return r.Account
	}
	a, _ := parseARN(r.Principal)
	return a.account
}

// sessionOf says whether session is one of the role or user that a policy names. The ARN of a
// role's session (arn:aws:sts::ACCOUNT:assumed-role/NAME/SESSION) leaves out the role's path; names
// are unique in an account whatever the path, so account and name decide (IAM User Guide, "IAM
// identifiers"). A name in another case is perhaps the same: no two roles differ by case only, and
// whether policies compare it with case is not documented.
//
// A user's federated sessions (federated-user/NAME) have what a policy gives the user, limited by
// the session policy (IAM User Guide, "Policy evaluation logic"). Their ARNs hold a name that the
// user chose, so each in the account is perhaps one.
func sessionOf(session, principal string) truth {
	s, ok := parseARN(session)
	if !ok || s.service != "sts" {
		return no
	}
	p, ok := parseARN(principal)
	if !ok || p.service != "iam" || p.account != s.account || p.partition != s.partition {
		return no
	}
	parts := strings.Split(s.resource, "/")
	if parts[0] == federatedUser && strings.HasPrefix(p.resource, "user/") {
		return perhaps
	}
	path, isRole := strings.CutPrefix(p.resource, "role/")
	if !isRole || len(parts) != 3 || parts[0] != assumedRole {
		return no
	}
	name := path[strings.LastIndexByte(path, '/')+1:]
	if parts[1] == name {
		return yes
	}
	return min(perhaps, truthOf(strings.EqualFold(parts[1], name)))
}

// IsSession says whether an ARN is certainly that of an assumed-role session of the role.
func IsSession(session, role string) bool { return sessionOf(session, role) == yes }

// RoleARN gives the value of aws:PrincipalArn for a principal: of an assumed-role session the ARN
// of its role, without the path, which a session ARN does not hold; every other ARN as it is.
func RoleARN(principal string) string {
	a, ok := parseARN(principal)
	parts := strings.Split(a.resource, "/")
	if !ok || a.service != "sts" || len(parts) != 3 || parts[0] != assumedRole {
		return principal
	}
	return "arn:" + a.partition + ":iam::" + a.account + ":role/" + parts[1]
}

type arn struct{ partition, service, region, account, resource string }

func parseARN(s string) (arn, bool) {
	p := strings.SplitN(s, ":", arnParts)
	if len(p) != arnParts || p[0] != "arn" || p[1] == "" || p[2] == "" || p[5] == "" {
		return arn{}, false
	}
	return arn{p[1], p[2], p[3], p[4], p[5]}, true
}

func isAccount(s string) bool {
	return len(s) == 12 && strings.Trim(s, "0123456789") == ""
}
