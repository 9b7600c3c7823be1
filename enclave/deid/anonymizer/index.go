package anonymizer

import "anchorhold/enclave/fhirpath"

// index is what nodesByType and nodesByName find below a resource when they stand alone, by the
// place that compiling gave each.
type index [][]*fhirpath.Node

// index is made before the rules run on a resource: what they change later is found as it was. Its
// lists are those of the next resource, too, which is after this one's rules.
func (w *worker) index(n *fhirpath.Node) index {
	for i := range w.found {
		clear(w.found[i]) // what is done with need not stay
		w.found[i] = w.found[i][:0]
	}
	if len(w.found) > 0 {
		w.find(n)
	}
	return w.found
}

func (w *worker) find(n *fhirpath.Node) {
	for c := range n.All() {
		if at := w.placeOf(c.Type()); at >= 0 {
			w.found[at] = append(w.found[at], c)
		}
		if len(w.engine.names) > 0 {
			if at, ok := w.engine.names[c.Name()]; ok {
				w.found[at] = append(w.found[at], c)
			}
		}
		if !c.IsResource() {
			w.find(c)
		}
	}
}

// placeOf returns the place of the elements of a type, or -1.
func (w *worker) placeOf(t *fhirpath.Type) int {
	at, ok := w.places[t]
	if !ok {
		if at, ok = w.engine.types[nameOf(t)]; !ok {
			at = -1
		}
		w.places[t] = at
	}
	return at
}

// rulesFor returns the rules for resources of a type, in their order.
func (w *worker) rulesFor(t *fhirpath.Type) []*rule {
	list, ok := w.rules[t]
	if !ok {
		for _, u := range w.engine.rules {
			switch u.resource {
			case "", "Resource", "DomainResource", t.Name():
				// upstream doesn't ask whether it is a DomainResource
				list = append(list, u)
			}
		}
		w.rules[t] = list
	}
	return list
}
