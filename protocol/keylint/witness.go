package keylint

import (
	"cmp"
	"encoding/binary"
	"maps"
	"math/bits"
	"slices"
	"strings"
	"unicode"
)

// Bounds of one search for witnesses; the policies of anchorhold key-policy need some tens of
// states.
const (
	maxStates    = 5000
	maxWitnesses = 128
)

// A symbol is one step of a glob: a rune, or a wildcard: ? for one rune, * for any run.
type symbol struct {
	r     rune
	fold  bool   // the other case will do
	wild  bool   // r is ? or *, and means it
	part  bool   // a wildcard that stops at a colon, as in the first five parts of an ARN
	class string // the runes that a wildcard fits; empty: any
}

const (
	digits    = "0123456789"
	hexDigits = digits + "abcdef"
)

// several is n runes of a class.
func several(n int, class string) glob {
	return slices.Repeat(glob{{r: '?', wild: true, class: class}}, n)
}

// A glob is what a condition compares a value with.
type glob []symbol

func literal(s string, fold bool) glob {
	var g glob
	for _, r := range s {
		g = append(g, symbol{r: r, fold: fold})
	}
	return g
}

func wild(s string) glob {
	g := literal(s, false)
	for i := range g {
		g[i].wild = g[i].r == '*' || g[i].r == '?'
	}
	return g
}

// wildARN keeps the wildcards of the first five parts inside of them.
func wildARN(s string) glob {
	g, colons := wild(s), 0
	for i := range g {
		if g[i].r == ':' {
			colons++
		}
		g[i].part = g[i].wild && colons < 5
	}
	return g
}

// globOf is the glob of one value under an operator that compares text.
func globOf(operator, value string) glob {
	switch {
	case strings.HasPrefix(operator, "Arn"):
		return wildARN(value)
	case strings.Contains(operator, "Like"):
		return wild(value)
	default:
		return literal(value, strings.Contains(operator, "IgnoreCase"))
	}
}

// plain reports whether a glob fits one value only, or one and its other cases.
func (g glob) plain() bool { return !slices.ContainsFunc(g, func(s symbol) bool { return s.wild }) }

func (g glob) text() string {
	var b strings.Builder
	for _, s := range g {
		b.WriteRune(s.r)
	}
	return b.String()
}

// compareGlobs is 0 for globs that fit the same values.
func compareGlobs(a, b glob) int {
	flag := func(b bool) int {
		if b {
			return 1
		}
		return 0
	}
	return slices.CompareFunc(a, b, func(x, y symbol) int {
		return cmp.Or(cmp.Compare(x.r, y.r), flag(x.fold)-flag(y.fold), flag(x.wild)-flag(y.wild), flag(x.part)-flag(y.part), cmp.Compare(x.class, y.class))
	})
}

// enter adds a place to places, which have a bit for each symbol and one for the end, and those
// that runs of nothing lead to.
func (g glob) enter(places mask, at int) {
	places.add(at)
	for at < len(g) && g[at].wild && g[at].r == '*' {
		at++
		places.add(at)
	}
}

// step adds to next the places after one more rune.
func (g glob) step(places, next mask, r rune) {
	for n, word := range places {
		for ; word != 0; word &= word - 1 {
			at := n*64 + bits.TrailingZeros64(word)
			if at == len(g) {
				continue
			}
			s := &g[at]
			switch {
			case s.wild && s.part && r == ':':
			case s.class != "" && !strings.ContainsRune(s.class, r):
			case s.wild && s.r == '*':
				g.enter(next, at)
			case s.wild, s.r == r, s.fold && strings.EqualFold(string(s.r), string(r)):
				g.enter(next, at+1)
			}
		}
	}
}

// matches reports whether a value fits.
func (g glob) matches(value string) bool {
	places, next := newMask(len(g)+1), newMask(len(g)+1)
	g.enter(places, 0)
	for _, r := range value {
		clear(next)
		g.step(places, next, r)
		places, next = next, places
	}
	return places.has(len(g))
}

// alphabet are the runes that make a difference, one that no glob names first: it reads as what it
// is, any other. Each class adds one of its own that no glob names.
func alphabet(globs []glob) []rune {
	var list []rune
	classes := map[string]bool{}
	for _, g := range globs {
		for _, s := range g {
			switch {
			case s.class != "":
				classes[s.class] = true
			case s.part:
				list = append(list, ':')
			case s.wild:
			case s.fold:
				list = append(list, s.r, unicode.ToLower(s.r), unicode.ToUpper(s.r))
			default:
				list = append(list, s.r)
			}
		}
	}
	slices.Sort(list)
	list = slices.Compact(list)
	other := '\uE000'
	for _, r := range "xqzjvkwy" {
		if !slices.Contains(list, r) && !slices.Contains(list, unicode.ToUpper(r)) {
			other = r
			break
		}
	}
	unnamed := []rune{other}
	for _, class := range slices.Sorted(maps.Keys(classes)) {
		if i := strings.IndexFunc(class, func(r rune) bool { return !slices.Contains(list, r) }); i >= 0 && !slices.Contains(unnamed, rune(class[i])) {
			unnamed = append(unnamed, rune(class[i]))
		}
	}
	return append(unnamed, list...)
}

// A walk is a value on the way: one rune more than another.
type walk struct {
	from   *walk
	r      rune
	places []uint64 // of all globs, one after the other
}

func (w *walk) text() string {
	var list []rune
	for ; w.from != nil; w = w.from {
		list = append(list, w.r)
	}
	slices.Reverse(list)
	return string(list)
}

// walks are globs that are gone through together.
type walks struct {
	globs []glob
	at    []int // in places, where those of each glob begin; and the end
	found map[string]bool
	bytes []byte
}

func newWalks(globs []glob) *walks {
	w := &walks{globs: globs, at: []int{0}, found: map[string]bool{}}
	for _, g := range globs {
		w.at = append(w.at, w.at[len(w.at)-1]+len(newMask(len(g)+1)))
	}
	return w
}

// of are the places of one glob.
func (w *walks) of(places []uint64, i int) mask { return places[w.at[i]:w.at[i+1]] }

// id is the same for walks that go on alike; it is valid until the next call.
func (w *walks) id(places []uint64) []byte {
	w.bytes = w.bytes[:0]
	for _, word := range places {
		w.bytes = binary.LittleEndian.AppendUint64(w.bytes, word)
	}
	return w.bytes
}

// isNew reports whether no walk before has fit the same globs and no others.
func (w *walks) isNew(places []uint64) bool {
	w.bytes = w.bytes[:0]
	for i, g := range w.globs {
		fits := byte('0')
		if w.of(places, i).has(len(g)) {
			fits = '1'
		}
		w.bytes = append(w.bytes, fits)
	}
	if w.found[string(w.bytes)] {
		return false
	}
	w.found[string(w.bytes)] = true
	return true
}

// witnesses returns a value for each way in which values can fit some globs and not the others:
// whatever a policy says about the texts of a key, it says of one of these. With a form, only
// values that fit it count. sure is false when there were too many to go through.
//
// It walks the product of the globs' automata, breadth first, so the values are short; the empty
// one comes only where no other will do.
func witnesses(globs []glob, form glob) (values []string, sure bool) {
	if form != nil {
		globs = append([]glob{form}, globs...)
	}
	w, letters := newWalks(globs), alphabet(globs)
	start := &walk{places: make([]uint64, w.at[len(globs)])}
	for i, g := range globs {
		g.enter(w.of(start.places, i), 0)
	}
	fitsForm := func(places []uint64) bool { return form == nil || w.of(places, 0).has(len(form)) }
	seen, next := map[string]bool{string(w.id(start.places)): true}, make([]uint64, len(start.places))
	for queue := []*walk{start}; len(queue) > 0; queue = queue[1:] {
		for _, r := range letters {
			clear(next)
			for i, g := range globs {
				g.step(w.of(queue[0].places, i), w.of(next, i), r)
				if i == 0 && form != nil && w.of(next, 0).empty() {
					break
				}
			}
			if form != nil && w.of(next, 0).empty() {
				continue // whatever follows, it will not fit the form
			}
			// Also where the state is known: its first walk may have been the empty one.
			if fitsForm(next) && w.isNew(next) {
				values = append(values, (&walk{from: queue[0], r: r}).text())
			}
			if !seen[string(w.id(next))] {
				seen[string(w.id(next))] = true
				queue = append(queue, &walk{from: queue[0], r: r, places: slices.Clone(next)})
			}
		}
		if len(seen) > maxStates || len(values) > maxWitnesses {
			return values, false
		}
	}
	if fitsForm(start.places) && w.isNew(start.places) {
		values = append(values, "")
	}
	return values, true
}
