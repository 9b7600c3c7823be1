package keypolicy

import "strings"

// like matches s against a pattern in which * stands for any run of bytes and ? for any one character. It is linear in memory and at
// worst quadratic in time: policies come from people, context values from attackers.
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

// likeARN matches ARNs part by part, so that a * in the account can't swallow the Region's colon (IAM User Guide, "Amazon Resource
// Name (ARN) condition operators"). The sixth part, the resource, may itself hold colons.
func likeARN(pattern, s string) bool {
	p, t := strings.SplitN(pattern, ":", 6), strings.SplitN(s, ":", 6)
	if len(p) != 6 || len(t) != 6 {
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

func matchResource(pattern, resource string) bool {
	return pattern == "*" || likeARN(pattern, resource)
}
