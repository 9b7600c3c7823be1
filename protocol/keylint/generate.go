//go:build ignore

// Generate writes the flawed policies of testdata/flawed: what anchorhold key-policy would write,
// with one thing wrong, and policies as AWS's documentation has them. Run by go generate.
package main

import (
	"encoding/json"
	"log"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"anchorhold/protocol/appraise"
	"anchorhold/protocol/measure"
	"anchorhold/protocol/ownerkey"
	"anchorhold/protocol/protocoltest/vectorfile"
)

type object = map[string]any

const (
	admin   = "arn:aws:iam::111122223333:role/admin"
	owner   = "arn:aws:iam::111122223333:role/owner"
	dev     = "arn:aws:iam::111122223333:role/dev"
	parent  = "arn:aws:iam::444455556666:role/parent"
	image   = "kms:EncryptionContext:anchorhold:image"
	tenant  = "kms:EncryptionContext:anchorhold:tenant"
	pcr     = "kms:RecipientAttestation:PCR"
	equals  = "StringEquals"
	anyCase = "StringEqualsIgnoreCase"
)

// first and second are two approved images: the local KMS's tests run them.
var (
	first  = measure.DevImage([]byte("program"), []byte("policy"))
	second = measure.DevImage([]byte("program"), []byte("policy 2"))
)

// good is the policy without a flaw.
func good() []object { return written(false) }

// written is what anchorhold key-policy writes.
func written(sealersEncrypt bool) []object {
	plan := &ownerkey.Plan{
		Tenant: "clinic", Administrators: []string{admin}, Sealers: []string{owner}, Parents: []string{parent}, SealersEncrypt: sealersEncrypt,
	}
	for name, i := range map[string]measure.Image{"a": first, "b": second} {
		plan.Images = append(plan.Images, ownerkey.Image{Image: appraise.Image{Name: name, PCR0: i.PCR0, PCR1: i.PCR1, PCR2: i.PCR2}})
	}
	if plan.Images[0].Name != "a" {
		plan.Images[0], plan.Images[1] = plan.Images[1], plan.Images[0]
	}
	text, err := plan.Policy()
	check(err)
	var d struct{ Statement []object }
	check(json.Unmarshal(text, &d))
	return d.Statement
}

// bare are the statements that allow: administration, sealing, opening with the first image, with
// the second. No denial stands behind them, so that one flaw shows.
func bare() []object {
	var list []object
	for _, s := range good() {
		if s["Effect"] == "Allow" {
			list = append(list, s)
		}
	}
	return list
}

// change edits the condition of the statement that opens with the first image.
func change(edit func(c object)) []object {
	list := bare()
	edit(list[2]["Condition"].(object))
	return list
}

// attested edits its measurements.
func attested(operator string, registers object) []object {
	return change(func(c object) {
		delete(c, anyCase)
		if operator != "" {
			c[operator] = registers
		}
	})
}

// context edits its encryption context.
func context(operator string, entries object) []object {
	return change(func(c object) {
		delete(c, equals)
		if c[operator] == nil {
			c[operator] = object{}
		}
		for key, value := range entries {
			c[operator].(object)[key] = value
		}
	})
}

// with adds statements to what allows.
func with(more ...object) []object { return append(bare(), more...) }

func allow(principal any, action any, condition object) object {
	s := object{"Effect": "Allow", "Principal": principal, "Action": action, "Resource": "*"}
	if condition != nil {
		s["Condition"] = condition
	}
	return s
}

func deny(action any, condition object) object {
	s := allow("*", action, condition)
	s["Effect"] = "Deny"
	return s
}

func aws(arn ...string) object { return object{"AWS": arn} }

func main() {
	log.SetFlags(0)
	old, err := filepath.Glob("testdata/flawed/*.txt")
	check(err)
	for _, f := range old {
		check(os.Remove(f))
	}
	for _, f := range slices.Concat(ours(), operations(), documented(), attacks(), hidden(), principals(), dead()) {
		write("testdata/flawed/"+f.name+".txt", f)
	}
	write("testdata/good.txt", flawed{name: "good", comment: "what anchorhold key-policy writes", statements: good()})
	write("testdata/good-encrypt.txt", flawed{
		name: "good-encrypt", comment: "what anchorhold key-policy --sealers-may-encrypt writes", statements: written(true),
	})
}

// A flawed policy and the rules that must find it, in order of name. All but those that name
// another rule about denials have nothing-denied.
type flawed struct {
	name, expect, comment string
	statements            []object
}

// rules are those that must find something.
func (f flawed) rules() string {
	list := strings.Fields(f.expect)
	switch {
	case f.name == "good":
	case slices.Contains(list, "all-denied"):
		list = slices.DeleteFunc(list, func(r string) bool { return r == "all-denied" })
	case !slices.Contains(list, "partly-denied"):
		list = append(list, "nothing-denied")
	}
	slices.Sort(list)
	return strings.Join(list, " ")
}

func write(path string, f flawed) {
	document := object{"Version": "2012-10-17", "Statement": f.statements}
	if f.name == "old-version" {
		document["Version"] = "2008-10-17"
	}
	text, err := json.MarshalIndent(document, "", " ")
	check(err)
	check(vectorfile.Write(path, map[string]string{"expect": f.rules(), "comment": f.comment}, append(text, '\n')))
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
