package deid_test

import (
	"slices"
	"strings"
	"testing"
)

// A judgement is a line of a rule file: the elements that it names, what becomes of them, and the
// lines below it.
type judgement struct {
	names []string
	words []string
	below []*judgement
}

// judgements reads the sections of a rule file by their indentation. It knows nothing of methods.
func judgements(rules string) []*judgement {
	root := &judgement{}
	levels := []*judgement{root}
	for l := range strings.Lines(rules) {
		text, _, _ := strings.Cut(l, "#")
		words := strings.Fields(text)
		if len(words) == 0 {
			continue
		}
		level := (len(text) - len(strings.TrimLeft(text, " "))) / 2
		j := &judgement{}
		for i, w := range words {
			j.names = append(j.names, strings.TrimSuffix(w, ","))
			if j.words = words[i+1:]; !strings.HasSuffix(w, ",") {
				break
			}
		}
		levels = append(levels[:level+1], j)
		levels[level].below = append(levels[level].below, j)
	}
	return root.below
}

// fromBase are elements that every type has: resource * judges those of resources, and below them
// no id and no extension stays unless a rule names it.
func fromBase(name string) bool {
	return slices.Contains([]string{"id", "meta", "implicitRules", "language", "text", "contained", "extension", "modifierExtension"}, name)
}

// inJSON returns the names that the elements of a type have in JSON, with the type of each.
func inJSON(kind string) map[string]string {
	all := map[string]string{}
	for e, types := range r4()[kind].elements {
		for _, x := range types {
			name := e
			if stem, ok := strings.CutSuffix(e, "[x]"); ok {
				name = stem + strings.ToUpper(x[:1]) + x[1:]
			}
			all[name] = x
		}
	}
	return all
}

// Every element of a type that has rules has one of its own, at whatever depth, if only to say that
// it was judged and goes: a reviewer sees what is missing by nothing else. And no rule names an
// element that its holder doesn't have.
func TestEveryElementIsJudged(t *testing.T) {
	shared, done := map[string]*judgement{}, map[[2]string]bool{}
	counted := 0
	var judge func(path, kind string, below []*judgement)
	element := func(path, kind string, j *judgement) {
		for _, w := range j.words {
			switch s := shared[w]; {
			case w == "group":
				judge(path, kind, j.below)
			case s != nil && !done[[2]string{w, kind}]:
				done[[2]string{w, kind}] = true
				judge("type "+w+" for "+kind, kind, s.below)
			}
		}
	}
	judge = func(path, kind string, below []*judgement) {
		rules := map[string]*judgement{}
		for _, j := range below {
			for _, name := range j.names {
				rules[name] = j
			}
		}
		elements := inJSON(kind)
		for name, of := range elements {
			j := rules[name]
			counted++
			if j == nil && !fromBase(name) {
				t.Errorf("%s.%s, of type %s, has no rule", path, name, of)
			}
			if j != nil {
				element(path+"."+name, of, j)
			}
		}
		for name := range rules {
			if elements[name] == "" && !fromBase(name) {
				t.Errorf("%s has no element %s, and a rule", path, name)
			}
		}
	}
	sections := judgements(rulesOf(t, "safe-harbor"))
	for _, s := range sections {
		if s.names[0] == "type" {
			shared[s.words[0]] = s
		}
	}
	for _, s := range sections {
		if s.names[0] == "resource" && s.words[0] != "*" {
			judge(s.words[0], s.words[0], s.below)
		}
	}
	if counted < 2500 || len(done) < len(shared)-1 {
		t.Errorf("got %d elements, and %d of %d shared types", counted, len(done), len(shared))
	}
	t.Logf("%d elements, %d shared types", counted, len(done))
}
