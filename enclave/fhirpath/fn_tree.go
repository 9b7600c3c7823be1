package fhirpath

// treeFunctions are those of FHIRPath 5.8, and those that FHIR adds.
func treeFunctions() []function {
	anyOrder := func(static, []static) static { return static{open: true, unordered: true} }
	return []function{
		{name: "children", gives: anyOrder, eval: children},
		{name: "descendants", gives: anyOrder, eval: descendants},
		{name: "extension", min: 1, max: 1, gives: func(static, []static) static { return of(r4().types["Extension"]) }, eval: extension},
		{name: "hasValue", gives: given(booleanType), eval: func(c *call) ([]Item, error) {
			n := c.primitive()
			return truthOf(n != nil && n.HasValue()).items(), nil
		}},
		{name: "getValue", eval: func(c *call) ([]Item, error) {
			n := c.primitive()
			if n == nil || !n.HasValue() {
				return nil, nil
			}
			v, err := value(n)
			return []Item{v}, err
		}},
	}
}

// primitive is the only item of the input, when it is a primitive of FHIR.
func (c *call) primitive() *Node {
	if len(c.in) != 1 {
		return nil
	}
	n, ok := c.in[0].(*Node)
	if !ok || n.typ == nil || !n.typ.primitive() {
		return nil
	}
	return n
}

func children(c *call) ([]Item, error) {
	var nodes []*Node
	for _, i := range c.in {
		if n, ok := i.(*Node); ok {
			nodes = n.Children(nodes)
		}
	}
	return items(nodes), c.ev.spend(c.e, len(nodes))
}

// descendants are all elements below, those of contained resources too, in
// the order of a walk through the tree.
func descendants(c *call) ([]Item, error) {
	var out []Item
	var walk func(n *Node) error
	walk = func(n *Node) error {
		for i := range n.fields {
			for _, child := range n.fields[i].nodes {
				if err := c.ev.spend(c.e, 1); err != nil {
					return err
				}
				out = append(out, child)
				if err := walk(child); err != nil {
					return err
				}
			}
		}
		return nil
	}
	for _, i := range c.in {
		if n, ok := i.(*Node); ok {
			if err := walk(n); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}

func extension(c *call) ([]Item, error) {
	url, ok, err := c.textArg(0)
	if err != nil || !ok {
		return nil, err
	}
	var found, out []Item
	for _, i := range c.in {
		if n, ok := i.(*Node); ok {
			if err := c.ev.spend(c.e, len(n.fields)/8); err != nil {
				return nil, err
			}
			found = n.named("extension", found)
		}
	}
	if err := c.ev.spend(c.e, len(found)*(1+len(url)/comparedPerStep)); err != nil {
		return nil, err
	}
	for _, i := range found {
		x := i.(*Node)
		for _, u := range x.named("url", nil) {
			if n := u.(*Node); n.kind == '"' && n.text == url {
				out = append(out, x)
			}
		}
	}
	return out, nil
}

// typeFunctions are those of FHIRPath 6.3 and type().
func typeFunctions() []function {
	test := func(c *call) ([]Item, error) { return c.ev.typeTest(c.e, c.in) }
	return []function{
		{name: "is", min: 1, max: 1, eval: test},
		{name: "as", min: 1, max: 1, eval: test},
		{name: "ofType", min: 1, max: 1, eval: func(c *call) ([]Item, error) { return c.ev.filter(c.e, c.in) }},
		{name: "type", gives: given(typeInfoType), eval: func(c *call) ([]Item, error) {
			out := make([]Item, len(c.in))
			for i, item := range c.in {
				t := item.Type()
				if t == nil {
					t = r4().types["Element"]
				}
				out[i] = TypeInfo{t.space, t.name}
			}
			return out, nil
		}},
	}
}

// clockFunctions read the time that the caller has given.
func clockFunctions() []function {
	clock := func(t *Type) func(*call) ([]Item, error) {
		return func(c *call) ([]Item, error) {
			if c.ev.env.Now.IsZero() {
				return nil, errClock
			}
			return []Item{temporalAt(t, c.ev.env.Now)}, nil
		}
	}
	return []function{
		{name: "now", gives: given(dateTimeType), eval: clock(dateTimeType)},
		{name: "today", gives: given(dateType), eval: clock(dateType)},
		{name: "timeOfDay", gives: given(timeType), eval: clock(timeType)},
	}
}
