package keylint

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"unicode"
)

// Bounds of one search for witnesses; the policies of anchorhold key-policy need some tens of states.
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

// plain tells whether a glob fits one value only, or one and its other cases.
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

// close adds the places that runs of nothing lead to. Places are sorted and each there once.
func (g glob) close(places []int) []int {
	for i := 0; i < len(places); i++ {
		if at := places[i]; at < len(g) && g[at].wild && g[at].r == '*' && !slices.Contains(places, at+1) {
			places = append(places, at+1)
		}
	}
	slices.Sort(places)
	return places
}

// step are the places after one more rune.
func (g glob) step(places []int, r rune) []int {
	if len(places) == 0 {
		return nil
	}
	var next []int
	for _, at := range places {
		if at == len(g) {
			continue
		}
		s := g[at]
		switch {
		case s.wild && s.part && r == ':':
		case s.class != "" && !strings.ContainsRune(s.class, r):
		case s.wild && s.r == '*':
			next = append(next, at)
		case s.wild, s.r == r, s.fold && strings.EqualFold(string(s.r), string(r)):
			next = append(next, at+1)
		}
	}
	slices.Sort(next)
	return g.close(slices.Compact(next))
}

// alphabet are the runes that make a difference, one that no glob names first: it reads as what it is, any other. Each class adds one of
// its own that no glob names.
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

// A walk is a value on the way: its places in each glob.
type walk struct {
	text   string
	places [][]int
}

func (w *walk) id() string {
	var b strings.Builder
	for _, list := range w.places {
		for _, at := range list {
			b.WriteRune(rune(at + 1))
		}
		b.WriteByte(0)
	}
	return b.String()
}

// fits tells which globs the value as it stands fits.
func (w *walk) fits(globs []glob) string {
	b := make([]byte, len(globs))
	for i, g := range globs {
		b[i] = '0'
		if slices.Contains(w.places[i], len(g)) {
			b[i] = '1'
		}
	}
	return string(b)
}

// witnesses returns a value for each way in which values can fit some globs and not the others: whatever a policy says about the texts of a
// key, it says of one of these. With a form, only values that fit it count. sure is false when there were too many to go through.
//
// It walks the product of the globs' automata, breadth first, so the values are short; the empty one comes only where no other will do.
func witnesses(globs []glob, form glob) (values []string, sure bool) {
	if form != nil {
		globs = append([]glob{form}, globs...)
	}
	letters := alphabet(globs)
	start := &walk{}
	for _, g := range globs {
		start.places = append(start.places, g.close([]int{0}))
	}
	seen, found := map[string]bool{start.id(): true}, map[string]bool{}
	take := func(w *walk) {
		way := w.fits(globs)
		if !found[way] && (form == nil || way[0] == '1') {
			found[way] = true
			values = append(values, w.text)
		}
	}
	for queue := []*walk{start}; len(queue) > 0; queue = queue[1:] {
		for _, r := range letters {
			next := &walk{text: queue[0].text + string(r)}
			for i, g := range globs {
				next.places = append(next.places, g.step(queue[0].places[i], r))
				if form != nil && len(next.places[0]) == 0 {
					break // whatever follows, it will not fit the form
				}
			}
			if len(next.places) < len(globs) {
				continue
			}
			take(next) // also where the state is known: its first walk may have been the empty one
			if id := next.id(); !seen[id] {
				seen[id] = true
				queue = append(queue, next)
			}
		}
		if len(seen) > maxStates || len(values) > maxWitnesses {
			return values, false
		}
	}
	take(start)
	return values, true
}
