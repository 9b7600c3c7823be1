// Package rollout plans the change of a key policy from the images of old pins to those of new
// ones, so that no sealed job is lost and none is opened by another image than it was sealed for.
// The main calls are [New], which gives the steps, and [Locate], which tells where a live key
// stands.
//
// It proposes: the owner applies each policy. That an enclave of the new image runs is for the
// canary job to show, and what a parent says of its jobs is added to what the owner's job files
// say, never believed in their place.
package rollout

import (
	"errors"
	"fmt"
	"reflect"

	"anchorhold/protocol/appraise"
	"anchorhold/protocol/keypolicy"
	"anchorhold/protocol/ownerkey"
)

// A Step is one thing to do. Those with a policy are done by applying it.
type Step struct {
	Name   string   `json:"name"`
	Does   string   `json:"does"`
	Before []string `json:"before"` // to be true before
	After  []string `json:"after"`  // to be true afterwards, else Back
	Back   string   `json:"back"`   // how to return
	Policy []byte   `json:"-"`      // nil: the key's policy stays
	File   string   `json:"file,omitempty"`
}

// Names of steps.
const (
	Start  = "start"
	Add    = "add"
	Canary = "canary"
	Switch = "switch"
	Drain  = "drain"
	Remove = "remove"
)

// Files of the policies, in order.
var files = map[string]string{Start: "0-start.json", Add: "1-add.json", Switch: "3-switch.json", Remove: "5-remove.json"}

// A Change is what to roll out.
type Change struct {
	Old, New *appraise.Pins
	Roles    ownerkey.Plan // its images are not used
	// how long a job may wait for its last day: the old policy's not-after-days
	DrainDays uint64
}

// New returns the steps. The error says which policy would not be safe, or that there is nothing to
// change.
func New(c Change) ([]Step, error) {
	added, removed := difference(c.New, c.Old), difference(c.Old, c.New)
	if len(added) == 0 && len(removed) == 0 {
		return nil, errors.New("old and new pins name the same images: there is nothing to roll out")
	}
	both := append(ownerkey.Images(c.Old), added...)
	draining := append([]ownerkey.Image{}, both...)
	for i := range draining {
		draining[i].Drains = contains(removed, draining[i])
	}
	steps := c.steps(len(removed) > 0)
	for name, images := range map[string][]ownerkey.Image{
		Start: ownerkey.Images(c.Old), Add: both, Switch: draining, Remove: ownerkey.Images(c.New),
	} {
		plan := c.Roles
		plan.Images = images
		policy, err := plan.Policy()
		if err != nil {
			return nil, fmt.Errorf("policy of step %s: %w", name, err)
		}
		for i := range steps {
			if steps[i].Name == name {
				steps[i].Policy, steps[i].File = policy, files[name]
			}
		}
	}
	return steps, nil
}

// difference are the images of a that b lacks.
func difference(a, b *appraise.Pins) []ownerkey.Image {
	var list []ownerkey.Image
	for _, i := range ownerkey.Images(a) {
		if !contains(ownerkey.Images(b), i) {
			list = append(list, i)
		}
	}
	return list
}

// contains compares all registers: a signed and an unsigned pin of one image are two.
func contains(list []ownerkey.Image, i ownerkey.Image) bool {
	for _, o := range list {
		o.Name, o.Drains, i.Name, i.Drains = "", false, "", false
		if reflect.DeepEqual(o, i) {
			return true
		}
	}
	return false
}

func (c *Change) steps(drains bool) []Step {
	lint := "anchorhold key-policy lint --key ARN has no finding"
	same := "no other policy was applied meanwhile: anchorhold rollout status"
	list := []Step{
		{
			Name: Start, Does: "nothing: this is the policy that the old pins give",
			Before: []string{"the new pins are from your own rebuild or a release, never from the operator", "the key has this policy", lint},
			After:  []string{"anchorhold rollout status says start"}, Back: "nothing to undo",
		},
		{
			Name: Add, Does: "let the new images open, each what is sealed for it; old images stay as they are",
			Before: []string{same}, After: []string{lint, "a job sealed to the old pins runs and opens"},
			Back: "apply " + files[Start] + ": jobs that were sealed to new pins are no longer opened",
		},
		{
			Name: Canary, Does: "seal a job of synthetic records to the new pins, submit it, open it with the new pins; run anchorhold canary with its job file",
			Before: []string{"the operator runs an enclave of each new image beside the old ones"},
			After:  []string{"open exits with 0 and its output is right", "canary exits with 0"},
			Back:   "apply " + files[Start],
		},
		{
			Name: Switch, Does: "seal all new jobs to the new pins; the images that go are still opened, and no longer sealed for",
			Before: []string{"the canary job has opened", "every pipeline seals to the new pins", same},
			After:  []string{lint, "a job sealed to the new pins runs and opens", "sealing to the old pins is denied by KMS"},
			Back:   "apply " + files[Add] + " and seal to the old pins again; jobs of both are opened",
		},
		{
			Name: Drain, Does: fmt.Sprintf("wait until each job of the images that go has ended, %d days at most after the switch: then their last day has passed", c.DrainDays),
			Before: []string{"the operator goes on running the old enclaves"},
			After:  []string{"anchorhold rollout status --jobs DIR --parent-url URL names no open job, for each folder that holds job files"},
			Back:   "apply " + files[Add] + " and seal to the old pins again",
		},
		{
			Name: Remove, Does: "take out the images that go: what is still sealed for them is not opened any more",
			Before: []string{"all jobs have drained", same},
			After:  []string{lint, "a job sealed to the new pins runs and opens", "the operator stops the old enclaves", "canary exits with 0"},
			Back:   "apply " + files[Add] + " while the old pins have not expired",
		},
	}
	if !drains {
		return list[:4] // nothing goes
	}
	return list
}

// Locate returns the step whose policy the key has, the last of those that are alike.
func Locate(steps []Step, live *keypolicy.Policy) (Step, bool) {
	found, ok := Step{}, false
	for _, s := range steps {
		if s.Policy == nil {
			continue
		}
		if p, err := keypolicy.Parse(s.Policy); err == nil && reflect.DeepEqual(p, live) {
			found, ok = s, true
		}
	}
	return found, ok
}

// Following returns the step after one, and false after the last.
func Following(steps []Step, name string) (Step, bool) {
	for i, s := range steps {
		if s.Name == name && i+1 < len(steps) {
			return steps[i+1], true
		}
	}
	return Step{}, false
}
