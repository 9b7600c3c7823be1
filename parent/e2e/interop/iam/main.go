// Command iam compares the evaluator of key policies with an outside one, npm
// @cloud-copilot/iam-simulate, on thousands of generated cases. Where both differ, the difference
// must be of a class in classes.go, which says who is right and where that is documented; any other
// fails, as does a class of which there is no case.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"

	"anchorhold/protocol/keypolicy"
)

// Decisions of the outside evaluator.
const (
	allowed  = "Allowed"
	implicit = "ImplicitlyDenied"
	explicit = "ExplicitlyDenied"
)

// An answer is the outside evaluator's, without and with an identity policy that allows everything.
type answer struct{ None, All, Error string }

func main() {
	modules := flag.String("modules", "", "`folder` in which npm ci has installed the outside evaluator")
	n := flag.Int("n", 6000, "cases")
	seed := flag.Uint64("seed", 1, "of the cases")
	flag.Parse()
	if err := run(*modules, *seed, *n); err != nil {
		fmt.Fprintln(os.Stderr, "iam:", err)
		os.Exit(1)
	}
}

func run(modules string, seed uint64, n int) error {
	cases := generate(seed, n)
	answers, err := ask(modules, cases)
	if err != nil {
		return err
	}
	var r report
	for i, c := range cases {
		if err := r.compare(c, answers[i]); err != nil {
			return err
		}
	}
	return r.print()
}

// ask runs the outside evaluator on all cases.
func ask(modules string, cases []testCase) ([]answer, error) {
	var in, out bytes.Buffer
	enc := json.NewEncoder(&in)
	for _, c := range cases {
		if err := enc.Encode(c); err != nil {
			return nil, err
		}
	}
	cmd := exec.Command("node", "iam/oracle.mjs", modules)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = &in, &out, os.Stderr
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("node: %w", err)
	}
	var answers []answer
	lines := bufio.NewScanner(&out)
	for lines.Scan() {
		var a answer
		if err := json.Unmarshal(lines.Bytes(), &a); err != nil {
			return nil, err
		}
		answers = append(answers, a)
	}
	if len(answers) != len(cases) {
		return nil, fmt.Errorf("got %d answers to %d cases", len(answers), len(cases))
	}
	return answers, lines.Err()
}

// A report counts.
type report struct {
	same, allowed, denied int
	classes               map[string]int
	unclassified          []string
}

func (r *report) compare(c testCase, theirs answer) error {
	policy, err := keypolicy.Parse(c.Policy)
	if err != nil {
		return fmt.Errorf("our parser: %w: %s", err, c.Policy)
	}
	ours := c.decide(policy)
	want := expected(c, ours)
	if theirs == want {
		r.same++
		switch want.All {
		case allowed:
			r.allowed++
		case explicit:
			r.denied++
		}
		return nil
	}
	if r.classes == nil {
		r.classes = map[string]int{}
	}
	for _, class := range classes {
		if theirs.Error == "" && class.fits(difference{c, policy, ours, theirs}) {
			r.classes[class.name]++
			return nil
		}
	}
	line, err := json.Marshal(c)
	if err != nil {
		return err
	}
	r.unclassified = append(r.unclassified, fmt.Sprintf("ours %+v, theirs %+v: %s", ours, theirs, line))
	return nil
}

// expected is what the outside evaluator says if it agrees. It asks IAM where we say that the
// account has the last word, and where the caller is of another account.
func expected(c testCase, ours keypolicy.Decision) answer {
	switch {
	case ours.Denied:
		return answer{None: explicit, All: explicit}
	case !ours.Allowed:
		return answer{None: implicit, All: implicit}
	case ours.Delegated || accountOf(c.Request.Principal) != accountOf(c.Request.Resource):
		return answer{None: implicit, All: allowed}
	default:
		return answer{None: allowed, All: allowed}
	}
}

func (r *report) print() error {
	differences := 0
	for _, class := range classes {
		n := r.classes[class.name]
		differences += n
		fmt.Printf("%6d  %s: %s\n", n, class.name, class.why)
	}
	fmt.Printf("%d cases: %d alike (%d allowed, %d denied), %d differ as classified, %d otherwise\n",
		r.same+differences+len(r.unclassified), r.same, r.allowed, r.denied, differences, len(r.unclassified))
	for i, u := range r.unclassified {
		if i == 10 {
			break
		}
		fmt.Println(u)
	}
	if len(r.unclassified) > 0 {
		return fmt.Errorf("%d differences are of no class", len(r.unclassified))
	}
	for _, class := range classes {
		if r.classes[class.name] == 0 && !class.rare {
			return fmt.Errorf("no case shows the class %q: remove it, or draw more cases", class.name)
		}
	}
	return nil
}
