package keypolicy

// A truth is the outcome of a comparison. It is perhaps where AWS's documentation leaves the
// outcome open, or where its pages contradict each other. Evaluate then decides against the owner
// of the key: an Allow that perhaps applies allows, a Deny that perhaps applies does not deny.
type truth uint8

const (
	no truth = iota
	perhaps
	yes
)

func truthOf(b bool) truth {
	if b {
		return yes
	}
	return no
}

func (t truth) not() truth { return yes - t }

// agree returns the common outcome of several readings, perhaps if they differ.
func agree(readings ...truth) truth {
	for _, t := range readings {
		if t != readings[0] {
			return perhaps
		}
	}
	return readings[0]
}

// anyOf returns yes if f is yes for some element, and no if it is no for all.
func anyOf[T any](list []T, f func(T) truth) truth {
	best := no
	for _, x := range list {
		best = max(best, f(x))
	}
	return best
}

// allOf returns yes if f is yes for all elements, and no if it is no for some.
func allOf[T any](list []T, f func(T) truth) truth {
	worst := yes
	for _, x := range list {
		worst = min(worst, f(x))
	}
	return worst
}
