// Command fhirpath compares Anchorhold's FHIRPath engine with the npm package fhirpath: expressions
// that it makes up over a few resources, and what each engine says of them. Every difference must
// be one that differences.txt lists, with the reason and who is right; one that is not listed
// fails, and so does a line of the list that no difference needs.
//
// scripts/interop/fhirpath.sh installs what it runs. Nothing here is used by the programs.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"anchorhold/enclave/fhirpath"
)

// timeout ends a run that hangs.
const timeout = 10 * time.Minute

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

func run(args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("fhirpath", flag.ContinueOnError)
	flags.SetOutput(stderr)
	modules := flags.String("modules", "", "`FOLDER` with node_modules")
	node := flags.String("node", "node", "Node.js")
	random := flags.Int("random", 6000, "`NUMBER` of random expressions")
	seed := flags.Uint64("seed", 1, "of the random expressions")
	show := flags.Int("show", 20, "`NUMBER` of differences to print")
	if flags.Parse(args) != nil {
		return 2
	}
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	if err := compareAll(ctx, *node, *modules, *random, *seed, *show, stdout); err != nil {
		fmt.Fprintln(stderr, "interop: fhirpath:", err)
		return 1
	}
	return 0
}

// A resource is one of resources.ndjson.
type resource struct {
	json []byte
	node *fhirpath.Node
}

func readResources(path string) ([]resource, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var list []resource
	for line := range bytes.Lines(b) {
		line = bytes.TrimSpace(line)
		n, err := fhirpath.Read(line)
		if err != nil {
			return nil, fmt.Errorf("%s: resource %d: %w", path, len(list)+1, err)
		}
		list = append(list, resource{line, n})
	}
	return list, nil
}

func compareAll(ctx context.Context, node, modules string, random int, seed uint64, show int, out io.Writer) error {
	resources, err := readResources("resources.ndjson")
	if err != nil {
		return err
	}
	known, err := readDifferences("differences.txt")
	if err != nil {
		return err
	}
	cases := append(systematic(resources), randomCases(resources, random, seed)...)
	theirs, err := askOracle(ctx, node, modules, cases)
	if err != nil {
		return err
	}
	equal, refused, unknown := 0, 0, 0
	for i, c := range cases {
		ours := ask(resources[c.Resource], c.Expression)
		switch difference := compare(ours, theirs[i]); {
		case difference == same:
			equal++
		case difference == bothRefuse:
			refused++
		case known.explains(c.Expression, ours, theirs[i]):
		default:
			if unknown++; unknown <= show {
				fmt.Fprintf(out, "not listed: %s\n\ton %s\n\tours   %s\n\ttheirs %s\n", c.Expression, resources[c.Resource].node.Type().Name(), ours, theirs[i])
			}
		}
	}
	idle := known.report(out)
	fmt.Fprintf(out, "fhirpath: %d expressions: %d equal, %d refused by both, %d listed differences, %d not listed\n",
		len(cases), equal, refused, len(cases)-equal-refused-unknown, unknown)
	switch {
	case unknown > 0:
		return fmt.Errorf("%d differences are not in differences.txt", unknown)
	case len(idle) > 0:
		return fmt.Errorf("differences.txt lists what no expression shows: %s", strings.Join(idle, ", "))
	case equal < len(cases)/2:
		return fmt.Errorf("only %d of %d results are equal: the comparison itself is broken", equal, len(cases))
	}
	return nil
}

// askOracle has the other engine evaluate the cases.
func askOracle(ctx context.Context, node, modules string, cases []testCase) ([]answer, error) {
	here, err := os.Getwd()
	if err != nil {
		return nil, err
	}
	var in bytes.Buffer
	encoder := json.NewEncoder(&in)
	encoder.SetEscapeHTML(false)
	for _, c := range cases {
		if err := encoder.Encode(c); err != nil {
			return nil, err
		}
	}
	cmd := exec.CommandContext(ctx, node, filepath.Join(here, "oracle.mjs"), filepath.Join(here, "resources.ndjson"))
	cmd.Dir, cmd.Stdin, cmd.Stderr = modules, &in, os.Stderr
	cmd.Env = append(os.Environ(), "TZ=UTC")
	b, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("oracle: %w", err)
	}
	return readAnswers(b, len(cases))
}
