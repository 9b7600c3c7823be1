package keypolicy

import "strings"

// matchResource compares a pattern of Resource with an ARN. Source: IAM User Guide, "IAM JSON
// policy elements: Resource", which says three things about wildcards: a segment may hold them; the
// service must not; and a * that ends a segment "can" match beyond the colon. The last is certain
// of a * at the end of the pattern, as in arn:aws:kms:*, and open elsewhere.
func matchResource(pattern, resource string) truth {
	if pattern == "*" {
		return yes
	}
	if !like(foldService(pattern), foldService(resource)) { // every * matches colons as well
		return no
	}
	if resourceDoubt(pattern) != "" || !likeARN(pattern, resource) && !likeShortARN(pattern, resource) {
		return perhaps
	}
	return yes
}

// likeShortARN compares a pattern of fewer than six parts that ends in *, which matches all that
// follows.
func likeShortARN(pattern, s string) bool {
	p := strings.Split(pattern, ":")
	if len(p) >= arnParts || !strings.HasSuffix(pattern, "*") {
		return false
	}
	t := strings.Split(s, ":")
	if len(t) < len(p) {
		return false
	}
	// in the last part the * at its end matches the rest of the part, and what follows
	for i := range p {
		if !like(p[i], t[i]) {
			return false
		}
	}
	return true
}

// foldService lower-cases partition and service.
func foldService(arn string) string {
	p := strings.SplitN(arn, ":", 4)
	for i := 1; i < len(p) && i < 3; i++ {
		p[i] = lowerASCII(p[i])
	}
	return strings.Join(p, ":")
}

// resourceDoubt says why it is not documented what a pattern matches; "" if it is.
func resourceDoubt(pattern string) string {
	p := strings.SplitN(pattern, ":", arnParts)
	wild := func(s string) bool { return strings.ContainsAny(s, "*?") }
	switch {
	case pattern == "*":
		return ""
	case len(p) < 3 || wild(p[2]):
		return "a wildcard in the service of a Resource ARN, which AWS says is not allowed"
	case foldService(pattern) != pattern:
		return "upper case in the partition or service of a Resource ARN"
	case len(p) == arnParts && p[5] != "*" && wild(resourceType(p[5])):
		return "a wildcard in the resource type of a Resource ARN"
	}
	if len(p) < arnParts {
		for _, part := range p[:len(p)-1] {
			if strings.HasSuffix(part, "*") {
				return "a Resource ARN of fewer than six parts, in which a * would have to match beyond a colon"
			}
		}
	}
	return ""
}

// resourceType is the part of a resource before its first separator.
func resourceType(resource string) string {
	if i := strings.IndexAny(resource, "/:"); i >= 0 {
		return resource[:i]
	}
	return resource
}
