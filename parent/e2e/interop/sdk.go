package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"

	"anchorhold/parent/e2e/stage"
)

// An sdk is one official AWS Encryption SDK behind a small program of ours, see esdk.py and
// esdk.mjs.
type sdk struct {
	name    string
	ordered bool // writes encrypted keys in the order given
	command func(ctx context.Context) *exec.Cmd
}

// A task is what the program is asked to do.
type task struct {
	Op      string            `json:"op"` // encrypt or decrypt
	Keys    []string          `json:"keys"`
	Suite   string            `json:"suite,omitempty"` // empty: what the SDK takes by itself
	Cache   bool              `json:"cache,omitempty"`
	Context map[string]string `json:"context,omitempty"`
	Input   string            `json:"input"`
	Outputs []string          `json:"outputs"`
}

// An answer is what came of a task.
type answer struct {
	SDK     string            `json:"sdk"`     // name and version, as the SDK itself says
	Context map[string]string `json:"context"` // of a decrypted message, authenticated
}

func sdks(o options, s *stage.Stage) []sdk {
	here := func(name string) string {
		path, err := filepath.Abs(name)
		if err != nil {
			return name // the program then says that it is not there
		}
		return path
	}
	javascript, python := here("esdk.mjs"), here("esdk.py")
	return []sdk{
		{"JavaScript", true, func(ctx context.Context) *exec.Cmd {
			cmd := exec.CommandContext(ctx, o.node, javascript)
			cmd.Dir = o.modules
			cmd.Env = append(s.Sealer().Environment, "NODE_EXTRA_CA_CERTS="+s.TLSRoot())
			return cmd
		}},
		{"Python", false, func(ctx context.Context) *exec.Cmd {
			cmd := exec.CommandContext(ctx, o.python, python)
			cmd.Env = s.Sealer().Environment
			return cmd
		}},
	}
}

// do runs one task as the sealing role.
func (k sdk) do(ctx context.Context, t task) (*answer, error) {
	in, err := json.Marshal([]task{t})
	if err != nil {
		return nil, err
	}
	out, err := output(k.command(ctx), bytes.NewReader(in))
	if err != nil {
		return nil, err
	}
	var answers []answer
	if err := json.Unmarshal(out, &answers); err != nil {
		return nil, err
	}
	if len(answers) != 1 {
		return nil, fmt.Errorf("%s gave %d answers, want 1", k.name, len(answers))
	}
	return &answers[0], nil
}
