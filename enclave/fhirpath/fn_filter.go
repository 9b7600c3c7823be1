package fhirpath

import "slices"

// filterFunctions are those of FHIRPath 5.2, 5.5.1 (iif), 7 (aggregate), and
// sort() of the later draft with at most one key.
func filterFunctions() []function {
	return []function{
		{name: "where", min: 1, max: 1, scoped: true, gives: same, eval: where},
		{name: "select", min: 1, max: 1, scoped: true, gives: firstArgument, eval: project},
		{name: "repeat", min: 1, max: 1, scoped: true, eval: repeat},
		{name: "iif", min: 2, max: 3, scoped: true, gives: alternatives, eval: iif},
		{name: "aggregate", min: 1, max: 2, scoped: true, eval: aggregate},
		{name: "sort", max: 1, scoped: true, gives: same, eval: sorted},
		{name: "trace", min: 1, max: 2, scoped: true, gives: same, eval: func(c *call) ([]Item, error) { return c.in, nil }},
	}
}

func where(c *call) ([]Item, error) {
	var out []Item
	for i, item := range c.in {
		t, err := c.criterion(0, item, i)
		if err != nil {
			return nil, err
		}
		if t == yes {
			out = append(out, item)
		}
	}
	return out, nil
}

func project(c *call) ([]Item, error) {
	var out []Item
	for i, item := range c.in {
		r, err := c.with(0, item, i)
		if err != nil {
			return nil, err
		}
		if err := c.ev.spend(c.e, len(r)); err != nil {
			return nil, err
		}
		out = append(out, r...)
	}
	return out, nil
}

// repeat follows a path from what it has found until nothing new comes.
func repeat(c *call) ([]Item, error) {
	var out []Item
	for from := c.in; len(from) > 0; {
		var found []Item
		for i, item := range from {
			r, err := c.with(0, item, i)
			if err != nil {
				return nil, err
			}
			for _, item := range r {
				old, err := c.ev.has(c.e, out, item)
				if err != nil {
					return nil, err
				}
				if !old {
					out, found = append(out, item), append(found, item)
				}
			}
		}
		from = found
	}
	return out, nil
}

func alternatives(_ static, args []static) static {
	out := static{types: slices.Clone(args[1].types), open: args[1].open}
	if len(args) > 2 {
		out.add(args[2])
	}
	return out
}

// iif evaluates only the side that it needs. What decides must be a Boolean.
func iif(c *call) ([]Item, error) {
	if len(c.in) > 1 {
		return nil, errSingle
	}
	sc := scope{c.in, c.sc.index, c.sc.total} // $index stays that of the items around
	r, err := c.ev.eval(c.e.args[0], sc)
	if err != nil {
		return nil, err
	}
	t, err := strictly(r)
	switch {
	case err != nil:
		return nil, err
	case t == yes:
		return c.ev.eval(c.e.args[1], sc)
	case c.has(2):
		return c.ev.eval(c.e.args[2], sc)
	}
	return nil, nil
}

// aggregate starts $total with its second argument.
func aggregate(c *call) ([]Item, error) {
	total, err := c.arg(1)
	if err != nil {
		return nil, err
	}
	for i, item := range c.in {
		if total, err = c.ev.eval(c.e.args[0], scope{[]Item{item}, i, total}); err != nil {
			return nil, err
		}
	}
	return total, nil
}

// sorted orders by the items, or by one key; -key is descending, for strings
// too. There must be a single key for each item, and an order among them.
func sorted(c *call) ([]Item, error) {
	type keyed struct{ item, key Item }
	list := make([]keyed, len(c.in))
	sense := 1
	var key *expr
	if c.has(0) {
		if key = c.e.args[0]; key.op == opUnary && key.name == "-" {
			key, sense = key.args[0], -1
		}
	}
	cost := 0
	for i, item := range c.in {
		r := []Item{item}
		if err := c.ev.weigh(c.e, item); err != nil {
			return nil, err
		}
		if key != nil {
			var err error
			if r, err = c.ev.eval(key, scope{r, i, c.sc.total}); err != nil {
				return nil, err
			}
		}
		k, err := single(r)
		if err != nil || k == nil {
			return nil, errSortKey
		}
		list[i] = keyed{item, k}
		if s, ok := k.(String); ok {
			cost += len(s) / comparedPerStep
		}
		cost += measuring(list[0].key, k)
	}
	if err := c.ev.spend(c.e, 20*(len(list)+cost)); err != nil {
		return nil, err
	}
	var failed error
	slices.SortStableFunc(list, func(a, b keyed) int {
		cmp, known, err := order(a.key, b.key, false)
		if err == nil && !known {
			err = errOperands
		}
		if err != nil {
			failed = err
		}
		return cmp * sense
	})
	out := make([]Item, len(list))
	for i := range list {
		out[i] = list[i].item
	}
	return out, failed
}
