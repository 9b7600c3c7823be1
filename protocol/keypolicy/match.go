package keypolicy

import "strings"

// arnParts is the number of parts of an ARN; the last, the resource, may hold colons.
const arnParts = 6

// like matches s against a pattern in which * matches any run of characters and ? any one. It is
// linear in memory and at worst quadratic in time: policies come from people, context values from
// attackers.
func like(pattern, s string) bool {
	p, t := []rune(pattern), []rune(s)
	i, j, star, mark := 0, 0, -1, 0
	for j < len(t) {
		switch {
		case i < len(p) && p[i] == '*':
			star, mark = i, j
			i++
		case i < len(p) && (p[i] == '?' || p[i] == t[j]):
			i++
			j++
		case star >= 0:
			mark++
			i, j = star+1, mark
		default:
			return false
		}
	}
	for i < len(p) && p[i] == '*' {
		i++
	}
	return i == len(p)
}

// likeARN compares ARNs part by part, so that a * in the account cannot match the colon after the
// Region (IAM User Guide, "Amazon Resource Name (ARN) condition operators"). The sixth part, the
// resource, may itself hold colons.
func likeARN(pattern, s string) bool {
	p, t := strings.SplitN(pattern, ":", arnParts), strings.SplitN(s, ":", arnParts)
	if len(p) != arnParts || len(t) != arnParts {
		return false
	}
	for i := range p {
		if !like(p[i], t[i]) {
			return false
		}
	}
	return true
}

// matchAction ignores case, as IAM does for actions (IAM User Guide, "Action").
func matchAction(pattern, action string) bool {
	return like(strings.ToLower(pattern), strings.ToLower(action))
}

// equalFold compares without regard to the case of ASCII letters. How IAM folds others is not
// documented.
func equalFold(a, b string) truth {
	if lowerASCII(a) == lowerASCII(b) {
		return yes
	}
	return min(perhaps, truthOf(strings.EqualFold(a, b)))
}

func lowerASCII(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, s)
}
