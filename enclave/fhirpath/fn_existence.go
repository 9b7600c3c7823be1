package fhirpath

// existenceFunctions are those of FHIRPath 5.1, and not().
func existenceFunctions() []function {
	b, i := given(booleanType), given(integerType)
	return []function{
		{name: "empty", gives: b, eval: func(c *call) ([]Item, error) { return truthOf(len(c.in) == 0).items(), nil }},
		{name: "exists", max: 1, scoped: true, gives: b, eval: exists},
		{name: "all", min: 1, max: 1, scoped: true, gives: b, eval: all},
		{name: "allTrue", gives: b, eval: every(yes, true)},
		{name: "anyTrue", gives: b, eval: every(no, false)},
		{name: "allFalse", gives: b, eval: every(no, true)},
		{name: "anyFalse", gives: b, eval: every(yes, false)},
		{name: "count", gives: i, eval: func(c *call) ([]Item, error) { return []Item{Integer(len(c.in))}, nil }},
		{name: "distinct", gives: same, eval: func(c *call) ([]Item, error) { return c.ev.distinct(c.e, c.in) }},
		{name: "isDistinct", gives: b, eval: isDistinct},
		{name: "subsetOf", min: 1, max: 1, gives: b, eval: func(c *call) ([]Item, error) { return c.subset(false) }},
		{name: "supersetOf", min: 1, max: 1, gives: b, eval: func(c *call) ([]Item, error) { return c.subset(true) }},
		{name: "not", gives: b, eval: not},
	}
}

func exists(c *call) ([]Item, error) {
	if !c.has(0) {
		return truthOf(len(c.in) > 0).items(), nil
	}
	for i, item := range c.in {
		t, err := c.criterion(0, item, i)
		if err != nil || t == yes {
			return t.items(), err
		}
	}
	return no.items(), nil
}

// criterion evaluates a condition for one item.
func (c *call) criterion(arg int, item Item, index int) (truth, error) {
	r, err := c.with(arg, item, index)
	if err != nil {
		return unknown, err
	}
	return boolean(r)
}

func all(c *call) ([]Item, error) {
	for i, item := range c.in {
		t, err := c.criterion(0, item, i)
		if err != nil {
			return nil, err
		}
		if t != yes {
			return no.items(), nil
		}
	}
	return yes.items(), nil
}

// every makes the four functions over Booleans: whether all are what's wanted,
// or whether not all are what's not.
func every(wanted truth, result bool) func(*call) ([]Item, error) {
	return func(c *call) ([]Item, error) {
		for _, item := range c.in {
			if err := c.ev.weigh(c.e, item); err != nil {
				return nil, err
			}
			t, err := strictly([]Item{item})
			if err != nil {
				return nil, err
			}
			if t != unknown && t != wanted {
				return truthOf(!result).items(), nil
			}
		}
		return truthOf(result).items(), nil
	}
}

func isDistinct(c *call) ([]Item, error) {
	d, err := c.ev.distinct(c.e, c.in)
	if err != nil {
		return nil, err
	}
	return truthOf(len(d) == len(c.in)).items(), nil
}

// subset reports whether the argument holds every item of the input, or the
// other way round.
func (c *call) subset(reverse bool) ([]Item, error) {
	part, err := c.arg(0)
	if err != nil {
		return nil, err
	}
	whole := c.in
	if !reverse {
		part, whole = c.in, part
	}
	for _, i := range part {
		found, err := c.ev.has(c.e, whole, i)
		if err != nil {
			return nil, err
		}
		if !found {
			return no.items(), nil
		}
	}
	return yes.items(), nil
}

func not(c *call) ([]Item, error) {
	t, err := boolean(c.in)
	return (-t).items(), err
}
