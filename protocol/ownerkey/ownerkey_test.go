package ownerkey_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"anchorhold/protocol/appraise"
	"anchorhold/protocol/digest"
	"anchorhold/protocol/keypolicy"
	"anchorhold/protocol/ownerkey"
)

//go:generate go test -run TestGolden -update

var update = flag.Bool("update", false, "write the golden files anew")

const (
	admin    = "arn:aws:iam::111122223333:role/key-admin"
	sealer   = "arn:aws:iam::111122223333:role/sealing"
	parent   = "arn:aws:iam::444455556666:role/parent"
	session  = "arn:aws:sts::444455556666:assumed-role/parent/i-0abc"
	stranger = "arn:aws:iam::999988887777:role/parent"
	keyARN   = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
)

// image has registers that differ from each other and from those of other letters.
func image(name string) appraise.Image {
	register := func(n byte) digest.Digest { return digest.Sum([]byte(name), []byte{n}) }
	return appraise.Image{Name: name, PCR0: register(0), PCR1: register(1), PCR2: register(2)}
}

func plan(images ...string) *ownerkey.Plan {
	p := &ownerkey.Plan{Tenant: "clinic", Administrators: []string{admin}, Sealers: []string{sealer}, Parents: []string{parent}}
	for _, name := range images {
		p.Images = append(p.Images, ownerkey.Image{Image: image(name)})
	}
	return p
}

func policyOf(t *testing.T, p *ownerkey.Plan) *keypolicy.Policy {
	t.Helper()
	text, err := p.Policy()
	if err != nil {
		t.Fatal(err)
	}
	policy, err := keypolicy.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return policy
}

// SPEC 12: the text of the policy, and what it means in words.
func TestGolden(t *testing.T) {
	p := plan("release 1.0", "release 1.1")
	p.Images[0].Drains = true
	p.Images[1].PCR8 = &digest.Digest{8}
	text, err := p.Policy()
	if err != nil {
		t.Fatal(err)
	}
	words := strings.Join(ownerkey.Explain(policyOf(t, p)), "\n") + "\n"
	for file, got := range map[string][]byte{"testdata/policy.json": text, "testdata/explain.txt": []byte(words)} {
		if *update {
			if err := os.WriteFile(file, got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: got another text (%v); if that is intended, run go generate:\n%s", file, err, got)
		}
	}
}

// A request is one that somebody may try.
type request struct {
	name, principal, action string
	attested, context       string // names of images; empty: no document, no context
	tenant                  string // empty: clinic
	want                    bool
}

func (r request) ask(p *keypolicy.Policy, grants ...keypolicy.Grant) bool {
	c := map[string][]string{"aws:PrincipalArn": {keypolicy.RoleARN(r.principal)}}
	if r.attested != "" {
		i := image(r.attested)
		for name, d := range map[string]digest.Digest{"PCR0": i.PCR0, "PCR1": i.PCR1, "PCR2": i.PCR2} {
			c["kms:RecipientAttestation:"+name] = []string{d.String()}
		}
	}
	if r.context != "" {
		c["kms:EncryptionContext:anchorhold:image"] = []string{image(r.context).PCR0.String()}
		c["kms:EncryptionContext:anchorhold:tenant"] = []string{"clinic"}
	}
	if r.tenant != "" {
		c["kms:EncryptionContext:anchorhold:tenant"] = []string{r.tenant}
	}
	return keypolicy.Authorize(p, grants, keypolicy.Request{Principal: r.principal, Action: "kms:" + r.action, Resource: keyARN, Context: c}).Allowed
}

var requests = []request{
	{"the pinned image opens", parent, "Decrypt", "a", "a", "", true},
	{"in a session of the role", session, "Decrypt", "b", "b", "", true},
	{"what drains is still opened", parent, "Decrypt", "old", "old", "", true},
	{"no document", parent, "Decrypt", "", "a", "", false},
	{"an unpinned image", parent, "Decrypt", "x", "a", "", false},
	{"an unpinned image in the context", parent, "Decrypt", "a", "x", "", false},
	{"a pinned image opens what is another's", parent, "Decrypt", "a", "b", "", false},
	{"no context", parent, "Decrypt", "a", "", "", false},
	{"another tenant", parent, "Decrypt", "a", "a", "other", false},
	{"another role", stranger, "Decrypt", "a", "a", "", false},
	{"the sealer opens nothing", sealer, "Decrypt", "a", "a", "", false},
	{"the administrator opens nothing", admin, "Decrypt", "a", "a", "", false},
	{"the sealer seals", sealer, "GenerateDataKey", "", "a", "", true},
	{"not for an image that drains", sealer, "GenerateDataKey", "", "old", "", false},
	{"not for an unpinned image", sealer, "GenerateDataKey", "", "x", "", false},
	{"not for another tenant", sealer, "GenerateDataKey", "", "a", "other", false},
	{"not without context", sealer, "GenerateDataKey", "", "", "", false},
	{"the parent mints no keys", parent, "GenerateDataKey", "", "a", "", false},
	{"nor attested", parent, "GenerateDataKey", "a", "a", "", false},
	{"nor does the administrator", admin, "GenerateDataKey", "", "a", "", false},
	{"the administrator changes the policy", admin, "PutKeyPolicy", "", "", "", true},
	{"and ends grants", admin, "RevokeGrant", "", "", "", true},
	{"the sealer does not", sealer, "PutKeyPolicy", "", "", "", false},
	{"the parent does not", parent, "PutKeyPolicy", "", "", "", false},
	{"root has nothing", "arn:aws:iam::111122223333:root", "PutKeyPolicy", "", "", "", false},
}

func TestWhoMayDoWhat(t *testing.T) {
	p := plan("a", "b", "old")
	p.Images[2].Drains = true
	policy := policyOf(t, p)
	for _, r := range requests {
		if got := r.ask(policy); got != r.want {
			t.Errorf("%s: got %v, want %v", r.name, got, r.want)
		}
	}
	for _, principal := range []string{admin, sealer, parent, stranger} {
		for _, action := range []string{
			"ReEncryptFrom", "ReEncryptTo", "CreateGrant", "ReplicateKey", "UpdatePrimaryRegion", "Encrypt", "GenerateDataKeyWithoutPlaintext",
			"GenerateDataKeyPair", "GenerateDataKeyPairWithoutPlaintext", "DeriveSharedSecret", "ImportKeyMaterial", "GenerateMac", "Sign",
		} {
			if (request{principal: principal, action: action, attested: "a", context: "a"}).ask(policy) {
				t.Errorf("%s may %s", principal, action)
			}
		}
	}
}

// The statements that allow are as narrow as the policy: a denial that somebody removes opens
// nothing.
func TestPermissionsHoldWithoutDenials(t *testing.T) {
	p := plan("a", "b", "old")
	p.Images[2].Drains = true
	policy := policyOf(t, p)
	policy.Statements = slices.DeleteFunc(policy.Statements, func(s keypolicy.Statement) bool { return s.Deny })
	for _, r := range requests {
		if got := r.ask(policy); got != r.want {
			t.Errorf("%s: got %v, want %v", r.name, got, r.want)
		}
	}
	// one foreign register is enough to be refused
	for n, register := range []string{"PCR0", "PCR1", "PCR2"} {
		i := image("a")
		registers := []digest.Digest{i.PCR0, i.PCR1, i.PCR2}
		registers[n] = image("x").PCR0
		c := map[string][]string{
			"aws:PrincipalArn": {parent}, "kms:EncryptionContext:anchorhold:image": {i.PCR0.String()}, "kms:EncryptionContext:anchorhold:tenant": {"clinic"},
		}
		for n, d := range registers {
			c[fmt.Sprintf("kms:RecipientAttestation:PCR%d", n)] = []string{d.String()}
		}
		if keypolicy.Authorize(policy, nil, keypolicy.Request{Principal: parent, Action: "kms:Decrypt", Resource: keyARN, Context: c}).Allowed {
			t.Errorf("an image with a foreign %s opens", register)
		}
	}
}

// With SealersEncrypt anyone who may make a data key may wrap one, with the same context, and
// nobody else.
func TestSealersEncrypt(t *testing.T) {
	p := plan("a", "b", "old")
	p.Images[2].Drains = true
	p.SealersEncrypt = true
	text, err := p.Policy()
	if err != nil {
		t.Fatal(err)
	}
	all := `"Statement": [{"Effect":"Allow","Principal":"*","Action":"kms:*","Resource":"*"},`
	for name, text := range map[string][]byte{"as written": text, "everything allowed": bytes.Replace(text, []byte(`"Statement": [`), []byte(all), 1)} {
		policy, err := keypolicy.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range requests {
			if r.action != "GenerateDataKey" {
				continue
			}
			if r.action = "Encrypt"; r.ask(policy) != r.want {
				t.Errorf("%s, %s: got %v, want %v", name, r.name, !r.want, r.want)
			}
		}
		for _, r := range requests {
			if name == "as written" && r.ask(policy) != r.want {
				t.Errorf("%s: got %v, want %v as without the option", r.name, !r.want, r.want)
			}
		}
	}
}

// Attack: a later hand adds the statement that every tutorial has, or a grant. The denials still
// hold; only administration is given away.
func TestDenialsHoldWhateverIsAllowed(t *testing.T) {
	text, err := plan("a", "b").Policy()
	if err != nil {
		t.Fatal(err)
	}
	root := `"Statement": [{"Effect":"Allow","Principal":"*","Action":"kms:*","Resource":"*"},`
	policy, err := keypolicy.Parse(bytes.Replace(text, []byte(`"Statement": [`), []byte(root), 1))
	if err != nil {
		t.Fatal(err)
	}
	grant := keypolicy.Grant{ID: "g", Grantee: parent, Operations: []string{"Decrypt", "GenerateDataKey", "ReEncryptFrom", "CreateGrant", "Encrypt"}}
	for _, r := range requests {
		if r.context == "old" || r.action == "PutKeyPolicy" || r.action == "RevokeGrant" {
			continue
		}
		if got := r.ask(policy, grant); got != r.want {
			t.Errorf("%s: got %v, want %v", r.name, got, r.want)
		}
	}
	for _, action := range []string{"ReEncryptFrom", "CreateGrant", "Encrypt", "ReplicateKey", "GenerateDataKeyPair"} {
		if (request{principal: parent, action: action, attested: "a", context: "a"}).ask(policy, grant) {
			t.Errorf("the parent may %s", action)
		}
	}
}

func TestUnsafePlans(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*ownerkey.Plan)
		want   string
	}{
		"no administrator":      {func(p *ownerkey.Plan) { p.Administrators = nil }, "no administrator"},
		"no sealer":             {func(p *ownerkey.Plan) { p.Sealers = nil }, "no sealer"},
		"no parent":             {func(p *ownerkey.Plan) { p.Parents = nil }, "no parent"},
		"no tenant":             {func(p *ownerkey.Plan) { p.Tenant = "" }, "tenant"},
		"variable as tenant":    {func(p *ownerkey.Plan) { p.Tenant = "${aws:username}" }, "tenant"},
		"root as administrator": {func(p *ownerkey.Plan) { p.Administrators[0] = "arn:aws:iam::111122223333:root" }, "want a role"},
		"everyone as parent":    {func(p *ownerkey.Plan) { p.Parents[0] = "*" }, "want a role"},
		"wildcard in a role":    {func(p *ownerkey.Plan) { p.Parents[0] = "arn:aws:iam::444455556666:role/*" }, "want a role"},
		"parent in own account": {func(p *ownerkey.Plan) { p.Parents[0] = "arn:aws:iam::111122223333:role/parent" }, "own account"},
		"administrator seals":   {func(p *ownerkey.Plan) { p.Sealers[0] = admin }, "both administrator and sealer"},
		"sealer elsewhere":      {func(p *ownerkey.Plan) { p.Sealers[0] = stranger }, "several accounts"},
		"no image":              {func(p *ownerkey.Plan) { p.Images = nil }, "no image"},
		"debug image":           {func(p *ownerkey.Plan) { p.Images[0].PCR1 = digest.Digest{} }, "debug"},
		"the same image twice":  {func(p *ownerkey.Plan) { p.Images = append(p.Images, p.Images[0]) }, "same PCR0"},
		"nothing can be sealed": {func(p *ownerkey.Plan) { p.Images[0].Drains = true }, "drains"},
		"more images than fit":  {func(p *ownerkey.Plan) { p.Images = plan(strings.Split(strings.Repeat("i,", 40), ",")...).Images }, "same PCR0"},
		"the document too large": {func(p *ownerkey.Plan) {
			p.Images = plan(strings.Split("abcdefghijklmnopqrstuvwxyzABCDEF", "")...).Images
		}, "KMS takes 32768"},
	} {
		t.Run(name, func(t *testing.T) {
			p := plan("a")
			c.change(p)
			if text, err := p.Policy(); err == nil || text != nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %d bytes and error %v, want %q", len(text), err, c.want)
			}
		})
	}
}

// KMS takes 32 KiB, and as Sids letters, digits and spaces; the room is used as far as it goes.
func TestWhatKMSTakes(t *testing.T) {
	names := strings.Split("abcdefghijklmnop", "") // 16 images
	names[3] = "release 1.0 <é\"${}>"
	text, err := plan(names...).Policy()
	if err != nil {
		t.Fatal(err)
	}
	if len(text) > keypolicy.MaxSize {
		t.Errorf("got %d bytes, want at most %d", len(text), keypolicy.MaxSize)
	}
	for i, s := range policyOf(t, plan(names...)).Statements {
		if s.Sid == "" || strings.Trim(s.Sid, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 ") != "" {
			t.Errorf("statement %d has Sid %q", i, s.Sid)
		}
	}
}
