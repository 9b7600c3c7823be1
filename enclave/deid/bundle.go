package deid

import (
	"bytes"

	"anchorhold/enclave/deid/stream"
	"anchorhold/protocol/code"
)

// What of a Bundle stays is the same in all rule files, for it is no health information but how
// resources travel:
//
//   - id and identifier become surrogates; type and total stay. timestamp goes: an instant cannot
//     be cut to a year. link goes: the address
//     of a search says who was looked for. So does signature, of bytes that are no more.
//   - fullUrl and references to it become surrogates that match, or the entries would no longer
//     find each other.
//   - search tells why an entry is there: mode and score stay.
//   - request is what would be done with the resource: method and url stay, when the url is one of
//     a resource, to surrogates.
//     So does ifNoneExist, when it searches for one identifier: the surrogate is that of the
//     identifier. Other conditions go,
//     for they hold names, versions and times; what was to be created unless it exists is then
//     created. A request without its
//     url says nothing and goes.
//   - response: the number of the status stays. location, etag, lastModified and outcome go.
//   - link of an entry goes.

const (
	// surrogateURN stands before the surrogate of a urn:uuid: or urn:oid:.
	surrogateURN = surrogateSystem + ":"
	// surrogateBase stands before Type/surrogate in a fullUrl, which must be absolute for
	// references like Type/id to resolve. The name is one that never resolves (RFC 2606).
	surrogateBase = "https://anchorhold.invalid/fhir/"
)

var (
	bundleTypes = wordSet("document message transaction transaction-response batch batch-response history searchset collection")
	searchModes = wordSet("match include outcome")
	verbs       = wordSet("GET HEAD POST PUT DELETE PATCH")
)

func wordSet(words string) map[string]bool {
	set := map[string]bool{}
	for _, w := range bytes.Fields([]byte(words)) {
		set[string(w)] = true
	}
	return set
}

// bundleRules are the nodes for a Bundle, with rows in the engine's table.
type bundleRules struct {
	frame, entry, search           *node
	fullURL, method, url, response *node
	ifNoneExist                    *node
}

func (c *compiler) bundleRules() *bundleRules {
	element := func(name string, n node) *node {
		n.head = []byte(`"` + name + `":`)
		return &n
	}
	drops := func(n *node, letters string, names ...string) {
		for _, name := range names {
			n.children[name] = element(name, node{letters: letters})
		}
	}
	frame := &node{method: group, head: []byte(`{"resourceType":"Bundle"`), children: map[string]*node{
		"id":         element("id", node{method: surrogate, letters: "R"}),
		"identifier": element("identifier", node{method: identifier, letters: "R"}),
		"type":       element("type", node{method: oneOf, set: bundleTypes}),
		"total":      element("total", node{method: integer, limit: 999_999, fixed: true}),
	}}
	// FHIR requires it
	frame.late.required = []*requirement{{name: "type", bit: c.track(nil, frame, "type", false)}}
	drops(frame, "C", "timestamp")
	drops(frame, "N", "link")
	drops(frame, "R", "signature")
	search := element("search", node{method: group, children: map[string]*node{
		"mode":  element("mode", node{method: oneOf, set: searchModes}),
		"score": element("score", node{method: decimal, limit: 1, fixed: true}),
	}})
	r := &bundleRules{
		frame: frame, entry: &node{method: group}, search: search,
		fullURL: &node{method: reference, letters: "NR"}, method: &node{method: oneOf, set: verbs},
		url: &node{method: reference, letters: "NR"}, response: &node{method: oneOf},
		ifNoneExist: &node{method: reference, letters: "NR"},
	}
	c.numberNode(frame, "Bundle", map[*node]bool{})
	for _, e := range []struct {
		path string
		n    *node
	}{
		{"", r.entry},
		{".fullUrl", r.fullURL},
		{".search", search},
		{".request.ifNoneExist", r.ifNoneExist},
		{".request.method", r.method},
		{".request.url", r.url},
		{".response.status", r.response},
	} {
		c.numberNode(e.n, "Bundle.entry"+e.path, map[*node]bool{})
	}
	return r
}

// Frame rewrites members of a Bundle; see stream.BundleWorker.
func (t *transformer) Frame(dst, b []byte, s *stream.Sink) ([]byte, stream.Verdict) {
	return t.work(dst, b, s, func() (int, code.Record) {
		t.kind = []byte("Bundle")
		n := t.engine.bundle.frame
		t.out, t.holder = append(t.out, n.head...), t.i
		t.members(n, true)
		t.out = append(t.out, '}')
		return -1, t.failed
	})
}

// Entry rewrites an entry of a Bundle; see stream.BundleWorker.
func (t *transformer) Entry(dst, b []byte, s *stream.Sink) ([]byte, stream.Verdict) {
	return t.work(dst, b, s, func() (int, code.Record) {
		if t.b[t.i] != '{' {
			t.why("entry is not an object")
			return -1, code.ResourceMalformed
		}
		t.entry = true
		t.full, _ = t.findText("fullUrl")
		start, index := len(t.out), -1
		t.out = append(t.out, '{')
		for more := t.enter(); more; more = t.more() {
			m, name := t.mark(), t.name()
			if len(t.out) > start+1 {
				t.out = append(t.out, ',')
			}
			ok := false
			if string(name) == "resource" {
				t.out = append(t.out, `"resource":`...)
				if index, t.failed = t.top(); t.failed == "" {
					ok = true
				}
			} else {
				ok = t.entryMember(name)
			}
			if t.failed != "" {
				return index, t.failed
			}
			if !ok {
				t.rollback(m)
			}
		}
		if len(t.out) == start+1 {
			t.why("nothing may stay of the entry: it has no resource, and no request or response of a form that stays")
			// FHIR: an entry has a resource, a request or a response
			return -1, code.ResourceMalformed
		}
		t.out = append(t.out, '}')
		return index, ""
	})
}

// entryMember appends what stays of another member of an entry.
func (t *transformer) entryMember(name []byte) bool {
	r := t.engine.bundle
	switch {
	case string(name) == "fullUrl" && t.b[t.i] == '"':
		in := t.i
		t.out = append(t.out, `"fullUrl":`...)
		out := len(t.out)
		t.out = append(t.out, '"')
		ok := t.fullURL(t.str())
		t.out = append(t.out, '"')
		return t.applied(r.fullURL, in, out, ok)
	case string(name) == "search":
		t.out = append(t.out, r.search.head...)
		return t.value(r.search)
	case string(name) == "request" && t.b[t.i] == '{':
		return t.request()
	case string(name) == "response" && t.b[t.i] == '{':
		in := t.i
		status, _ := t.findText("status")
		t.skip()
		ok := len(status) >= 3 && only(status[:3], digit) && (len(status) == 3 || status[3] == ' ')
		t.out = append(t.out, `"response":`...)
		out := len(t.out)
		if ok {
			t.out = append(append(append(t.out, `{"status":"`...), status[:3]...), `"}`...)
		}
		return t.applied(r.response, in, out, ok)
	}
	t.row = r.entry.row
	t.unknown(name)
	return false
}

// request keeps method and url, or nothing.
func (t *transformer) request() bool {
	r := t.engine.bundle
	in := t.i
	verb, _ := t.findText("method")
	url, _ := t.findText("url")
	condition, conditional := t.findText("ifNoneExist")
	t.skip()
	ok := r.method.set[string(verb)]
	if !ok {
		return t.applied(r.method, in, 0, false)
	}
	t.sink.Applied(r.method.row, true)
	t.out = append(t.out, `"request":`...)
	out := len(t.out)
	t.out = append(append(append(t.out, `{"method":"`...), verb...), `","url":"`...)
	if ok = t.isKind(url); ok {
		t.out = append(t.out, url...)
	} else {
		ok = t.target(url)
	}
	t.out = append(t.out, '"')
	if ok && conditional {
		t.condition(url, condition)
	}
	t.out = append(t.out, '}')
	return t.applied(r.url, in, out, ok)
}

// condition appends the ifNoneExist of a request, where it searches for one identifier. FHIR has
// there what follows the question mark; some writers put it and the type before it.
func (t *transformer) condition(kind, query []byte) {
	in, m := t.i, t.mark()
	if rest, ok := bytes.CutPrefix(query, kind); ok && len(rest) > 0 && rest[0] == '?' {
		query = rest
	}
	t.out = append(t.out, `,"ifNoneExist":"`...)
	out := len(t.out)
	ok := t.searched(bytes.TrimPrefix(query, []byte{'?'}))
	t.out = append(t.out, '"')
	if !ok {
		t.rollback(m)
	}
	t.applied(t.engine.bundle.ifNoneExist, in, out, ok)
}

// fullURL appends the surrogate of an entry's address.
func (t *transformer) fullURL(url []byte) bool {
	if isURN(url) {
		t.urn(url)
		return true
	}
	if !bytes.HasPrefix(url, []byte("https://")) && !bytes.HasPrefix(url, []byte("http://")) || bytes.IndexByte(url, '?') >= 0 {
		return false
	}
	t.out = append(t.out, surrogateBase...)
	return t.target(url)
}

// isURN reports whether an address is one that entries of a Bundle give each other.
func isURN(b []byte) bool {
	return bytes.HasPrefix(b, []byte("urn:uuid:")) || bytes.HasPrefix(b, []byte("urn:oid:"))
}

func (t *transformer) urn(b []byte) {
	t.out = append(t.out, surrogateURN...)
	t.put(stream.URN, nil, b)
}
