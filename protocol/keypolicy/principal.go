package keypolicy

import (
	"errors"
	"regexp"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// rootUser is the resource of an account's root ARN.
const rootUser = "root"

// A Principal is one entry of Principal: everyone, a whole account, one ARN, a service, an identity provider, or the unique id that AWS
// puts in place of the ARN of a user or role that was deleted.
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

// parsePrincipals reads "*" or {"AWS": …, "Service": …}. Source: IAM User Guide, "AWS JSON policy elements: Principal".
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
		a.service == "sts" && (kind == "assumed-role" || kind == "federated-user")
	if !ok || name == "" || !legal {
		return Principal{}, errors.New("malformed principal ARN")
	}
	return Principal{ARN: v}, nil
}

// matches tells whether the request's principal is p. An account stands for every principal in it: KMS then asks that
// account's IAM, which this package does not see (KMS Developer Guide, "Default key policy": allows access to the account).
func (p Principal) matches(r Request) bool {
	switch {
	case p.Any:
		return true
	case p.Service != "":
		return p.Service == r.Principal
	case p.Account != "":
		return p.Account == r.account()
	case p.Federated != "":
		return p.Federated == r.Principal
	case p.UniqueID != "":
		return p.UniqueID == r.UniqueID
	case p.ARN != "":
		return p.ARN == r.Principal || sessionOf(r.Principal, p.ARN)
	default:
		return false // the zero Principal is nobody
	}
}

func (r Request) account() string {
	if r.Account != "" {
		return r.Account
	}
	a, _ := parseARN(r.Principal)
	return a.account
}

// sessionOf tells whether session is an assumed-role session of role. A session ARN
// (arn:aws:sts::ACCOUNT:assumed-role/NAME/SESSION) leaves out the role's path; names are unique in an account whatever the path,
// so account and name decide (IAM User Guide, "IAM identifiers").
func sessionOf(session, role string) bool {
	s, ok := parseARN(session)
	if !ok || s.service != "sts" {
		return false
	}
	r, ok := parseARN(role)
	if !ok || r.service != "iam" || r.account != s.account || r.partition != s.partition {
		return false
	}
	parts := strings.Split(s.resource, "/")
	path, isRole := strings.CutPrefix(r.resource, "role/")
	return isRole && len(parts) == 3 && parts[0] == "assumed-role" && parts[1] == path[strings.LastIndexByte(path, '/')+1:]
}

// RoleARN gives the value of aws:PrincipalArn for a principal: of an assumed-role session the ARN of its role, without the
// path, which a session ARN does not hold; every other ARN as it is.
func RoleARN(principal string) string {
	a, ok := parseARN(principal)
	parts := strings.Split(a.resource, "/")
	if !ok || a.service != "sts" || len(parts) != 3 || parts[0] != "assumed-role" {
		return principal
	}
	return "arn:" + a.partition + ":iam::" + a.account + ":role/" + parts[1]
}

type arn struct{ partition, service, region, account, resource string }

func parseARN(s string) (arn, bool) {
	p := strings.SplitN(s, ":", 6)
	if len(p) != 6 || p[0] != "arn" || p[1] == "" || p[2] == "" || p[5] == "" {
		return arn{}, false
	}
	return arn{p[1], p[2], p[3], p[4], p[5]}, true
}

func isAccount(s string) bool {
	return len(s) == 12 && strings.Trim(s, "0123456789") == ""
}
