// Command trusted prints how much code each enclave program links: own lines per package, and
// modules.
//
// Own lines are the lines of .go files that hold more than blanks and comments, for GOOS=linux.
// Lines of embedded files and of generated files are reported in columns of their own: tables, not
// code to be read. Lines of modules are not counted; the modules are listed with their versions.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/scanner"
	"go/token"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

const module = "anchorhold"

// programs are the enclave programs, as paths below the module.
var programs = []string{"enclave/cmd/anchorhold-enclave", "enclave/cmd/anchorhold-enclave-microsoft", "enclave/cmd/anchorhold-enclave-all"}

// engines are packages that only some images need. The other packages of a program are the core.
var engines = []string{"enclave/deid", "enclave/deid/anonymizer", "enclave/fhirpath"}

// lines counts the lines of a package.
type lines struct{ own, embedded, generated int }

func (l *lines) add(o lines) {
	l.own += o.own
	l.embedded += o.embedded
	l.generated += o.generated
}

// linked is what a program links.
type linked struct {
	packages map[string]lines // by path below the module
	modules  []string         // "path version", sorted
}

// sum adds up the packages that keep accepts.
func (l linked) sum(keep func(string) bool) lines {
	var total lines
	for path, n := range l.packages {
		if keep(path) {
			total.add(n)
		}
	}
	return total
}

// list reads what a program links. dir is any folder of the module.
func list(dir, program string) (linked, error) {
	cmd := exec.Command("go", "list", "-deps", "-json=ImportPath,Dir,Module,GoFiles,CgoFiles,SFiles,EmbedFiles", module+"/"+program)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOOS=linux", "GOARCH=amd64", "CGO_ENABLED=0")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return linked{}, fmt.Errorf("go list %s: %w", program, err)
	}
	l := linked{packages: map[string]lines{}}
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p struct {
			ImportPath, Dir                       string
			Module                                *struct{ Path, Version string }
			GoFiles, CgoFiles, SFiles, EmbedFiles []string
		}
		if err := dec.Decode(&p); err == io.EOF {
			break
		} else if err != nil {
			return linked{}, fmt.Errorf("go list %s: %w", program, err)
		}
		switch {
		case p.Module == nil: // the standard library
		case p.Module.Path != module:
			l.modules = append(l.modules, p.Module.Path+" "+p.Module.Version)
		case len(p.CgoFiles)+len(p.SFiles) > 0:
			return linked{}, fmt.Errorf("%s has cgo or assembly files, which are not counted", p.ImportPath)
		default:
			n, err := countPackage(p.Dir, p.GoFiles, p.EmbedFiles)
			if err != nil {
				return linked{}, err
			}
			l.packages[strings.TrimPrefix(p.ImportPath, module+"/")] = n
		}
	}
	if len(l.packages) == 0 {
		return linked{}, errors.New("go list found no packages of " + program)
	}
	slices.Sort(l.modules)
	l.modules = slices.Compact(l.modules)
	return l, nil
}

func countPackage(dir string, files, embedded []string) (lines, error) {
	var total lines
	for _, name := range files {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return lines{}, err
		}
		n, generated, err := countFile(name, b)
		if err != nil {
			return lines{}, err
		}
		if generated {
			total.generated += n
		} else {
			total.own += n
		}
	}
	for _, name := range embedded {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return lines{}, err
		}
		for l := range bytes.Lines(b) {
			if len(bytes.TrimSpace(l)) > 0 {
				total.embedded++
			}
		}
	}
	return total, nil
}

// countFile counts the lines of a .go file that hold a token or a part of one, but comments. It
// reports whether the file says that it is generated.
func countFile(name string, src []byte) (n int, generated bool, err error) {
	parsed, err := parser.ParseFile(token.NewFileSet(), name, src, parser.ParseComments|parser.PackageClauseOnly)
	if err != nil {
		return 0, false, err
	}
	file := token.NewFileSet().AddFile(name, -1, len(src))
	var s scanner.Scanner
	s.Init(file, src, nil, 0) // leaves comments out
	text := bytes.Split(src, []byte("\n"))
	last := 0
	for {
		pos, tok, literal := s.Scan()
		if tok == token.EOF {
			break
		}
		if tok == token.SEMICOLON && literal == "\n" {
			continue // was not written
		}
		first := file.Line(pos)
		for line := max(first, last+1); line <= first+strings.Count(literal, "\n"); line++ {
			last = line
			if len(bytes.TrimSpace(text[line-1])) > 0 { // raw strings may hold blank lines
				n++
			}
		}
	}
	return n, ast.IsGenerated(parsed), nil
}

// write prints a program: packages with most lines first, then sums and modules.
func write(w io.Writer, program string, l linked) {
	fmt.Fprintf(w, "%s\n%8s %9s %10s  package\n", program, "own", "embedded", "generated")
	paths := make([]string, 0, len(l.packages))
	for path := range l.packages {
		paths = append(paths, path)
	}
	slices.SortFunc(paths, func(a, b string) int {
		if d := l.packages[b].own - l.packages[a].own; d != 0 {
			return d
		}
		return strings.Compare(a, b)
	})
	row := func(n lines, name string) { fmt.Fprintf(w, "%8d %9d %10d  %s\n", n.own, n.embedded, n.generated, name) }
	for _, path := range paths {
		row(l.packages[path], path)
	}
	row(l.sum(isCore), "core")
	row(l.sum(func(string) bool { return true }), "all")
	fmt.Fprintf(w, "%d modules\n  %s\n\n", len(l.modules), strings.Join(l.modules, "\n  "))
}

func isCore(path string) bool {
	return !slices.Contains(engines, path)
}

func main() {
	for _, program := range programs {
		l, err := list(".", program)
		if err != nil {
			fmt.Fprintln(os.Stderr, "trusted:", err)
			os.Exit(1)
		}
		write(os.Stdout, program, l)
	}
}
