package fhirpath

// subsetFunctions are those of FHIRPath 5.3.
func subsetFunctions() []function {
	return []function{
		{name: "single", gives: same, eval: func(c *call) ([]Item, error) {
			if len(c.in) > 1 {
				return nil, errSingle
			}
			return c.in, nil
		}},
		{name: "first", ordered: true, gives: same, eval: func(c *call) ([]Item, error) { return c.slice(0, 1), nil }},
		{name: "last", ordered: true, gives: same, eval: func(c *call) ([]Item, error) { return c.slice(len(c.in)-1, len(c.in)), nil }},
		{name: "tail", ordered: true, gives: same, eval: func(c *call) ([]Item, error) { return c.slice(1, len(c.in)), nil }},
		{name: "skip", min: 1, max: 1, ordered: true, gives: same, eval: func(c *call) ([]Item, error) {
			n, _, err := c.intArg(0)
			return c.slice(n, len(c.in)), err
		}},
		{name: "take", min: 1, max: 1, ordered: true, gives: same, eval: func(c *call) ([]Item, error) {
			n, _, err := c.intArg(0)
			return c.slice(0, n), err
		}},
	}
}

// slice is the input from one place to another, as far as it reaches.
func (c *call) slice(from, to int) []Item {
	from, to = max(from, 0), min(to, len(c.in))
	if from >= to {
		return nil
	}
	return c.in[from:to:to]
}

// combiningFunctions are those of FHIRPath 5.3.7 to 5.4.
func combiningFunctions() []function {
	return []function{
		{name: "intersect", min: 1, max: 1, gives: same, eval: func(c *call) ([]Item, error) {
			out, err := c.sift(true)
			if err != nil {
				return nil, err
			}
			return c.ev.distinct(c.e, out)
		}},
		{name: "exclude", min: 1, max: 1, gives: same, eval: func(c *call) ([]Item, error) { return c.sift(false) }},
		{name: "union", min: 1, max: 1, gives: both, eval: func(c *call) ([]Item, error) {
			out, err := c.combined()
			if err != nil {
				return nil, err
			}
			return c.ev.unite(c.e, out)
		}},
		{name: "combine", min: 1, max: 1, gives: both, eval: func(c *call) ([]Item, error) { return c.combined() }},
	}
}

// sift keeps the items that are in the argument, or those that are not.
func (c *call) sift(keep bool) ([]Item, error) {
	other, err := c.arg(0)
	if err != nil {
		return nil, err
	}
	var out []Item
	for _, i := range c.in {
		found, err := c.ev.has(c.e, other, i)
		if err != nil {
			return nil, err
		}
		if found == keep {
			out = append(out, i)
		}
	}
	return out, nil
}

func (c *call) combined() ([]Item, error) {
	other, err := c.arg(0)
	if err != nil {
		return nil, err
	}
	return append(c.in[:len(c.in):len(c.in)], other...), nil
}
