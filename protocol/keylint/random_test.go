package keylint_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"anchorhold/protocol/keylint"
	"anchorhold/protocol/keypolicy"
)

// A judged policy is one with the rules that find something in it.
type judged struct {
	t      *testing.T
	seed   uint64
	text   string
	policy *keypolicy.Policy
	found  []string
}

// wants reports a request for which none of the rules has found anything.
func (j *judged) wants(r keypolicy.Request, rules ...string) {
	j.t.Helper()
	if j.found == nil {
		j.found = append(names(keylint.Lint(&keylint.Key{Policy: j.policy})), "")
	}
	if !slices.ContainsFunc(append(slices.Clone(rules), "too-complex"), func(rule string) bool { return slices.Contains(j.found, rule) }) {
		j.t.Errorf("seed %d, allowed: %+v\nfindings %v, want one of %v\n%s", j.seed, r, j.found, rules, j.text)
	}
}

// names reports whether some condition on one of the keys names a value itself.
func (j *judged) names(value string, keys ...string) bool {
	for _, s := range j.policy.Statements {
		for _, c := range s.Conditions {
			if slices.Contains(keys, c.Key) && slices.ContainsFunc(c.Values, func(v string) bool { return strings.EqualFold(v, value) }) {
				return true
			}
		}
	}
	return false
}

func (j *judged) namesRegister(n int, value string) bool {
	keys := []string{fmt.Sprintf("kms:RecipientAttestation:PCR%d", n)}
	if n == 0 {
		keys = append(keys, "kms:RecipientAttestation:ImageSha384")
	}
	return j.names(value, keys...)
}

func first(list []string) string { return append(list, "")[0] }

// attested says which rules must find something when Decrypt is allowed on a document.
func (j *judged) attested(r keypolicy.Request, registers []string) {
	j.t.Helper()
	image, tenant := r.Context["kms:encryptioncontext:anchorhold:image"], r.Context["kms:encryptioncontext:anchorhold:tenant"]
	rules := []string{"unattested-decrypt", "unpinned-image"}
	switch {
	case registers[0] == zeros:
		j.wants(r, append(rules, "debug-image")...)
		return
	case !j.namesRegister(0, registers[0]):
		j.wants(r, rules...)
		return
	case !j.namesRegister(1, registers[1]) || !j.namesRegister(2, registers[2]):
		j.wants(r, append(rules, "debug-image", "pcr0-alone")...)
	}
	rules = append(rules, "debug-image")
	if !strings.EqualFold(first(image), registers[0]) {
		j.wants(r, append(rules, "unpaired-image", "unpairing-list")...)
	}
	if len(tenant) == 0 || !j.names(tenant[0], "kms:EncryptionContext:anchorhold:tenant") {
		j.wants(r, append(rules, "unbound-tenant")...)
	}
}

// ways around attestation by other operations, and the rules of which one must then find something.
var ways = []struct {
	action    string
	registers []string
	rules     []string
}{
	{"ReEncryptFrom", nil, []string{"re-encrypt"}},
	{"CreateGrant", nil, []string{"create-grant"}},
	{"GenerateDataKeyPair", nil, []string{"data-key-pair"}},
	{"GenerateDataKeyPair", []string{theirs, theirs, theirs}, []string{"data-key-pair"}},
	{"GenerateDataKeyPair", []string{theirs, pinned, theirs}, []string{"data-key-pair"}},
	{"DeriveSharedSecret", nil, []string{"derive-shared-secret"}},
	{"Encrypt", nil, []string{"mints-ciphertexts"}},
	{"ReEncryptTo", nil, []string{"mints-ciphertexts"}},
	{"GenerateDataKeyWithoutPlaintext", nil, []string{"mints-unseen"}},
	{"ReplicateKey", nil, []string{"replicate"}},
	{"ImportKeyMaterial", nil, []string{"import-material"}},
}

// role is what all sessions of a role have in common.
func role(principal string) string {
	parts := strings.Split(principal, "/")
	if strings.HasPrefix(parts[0], "arn:aws:sts:") && len(parts) == 3 {
		return parts[0] + "/" + parts[1]
	}
	return strings.NewReplacer(":sts:", ":iam:", "federated-user", "user").Replace(principal)
}

// administration draws who changes the policy or deletes the key, and who uses it: they must be
// others, of the key's account.
func (j *judged) administration(d dice, draws int) (reached int) {
	j.t.Helper()
	puts, deletes, used := map[string]keypolicy.Request{}, map[string]keypolicy.Request{}, map[string]bool{}
	for range draws {
		if r := d.request("PutKeyPolicy"); j.policy.Evaluate(r).Allowed {
			puts[r.Principal] = r
		}
		if r := d.request("ScheduleKeyDeletion"); j.policy.Evaluate(r).Allowed {
			deletes[r.Principal] = r
		}
		for _, r := range []keypolicy.Request{d.request("Decrypt", pinned, pinned, pinned), d.request("GenerateDataKey")} {
			used[role(r.Principal)] = used[role(r.Principal)] || j.policy.Evaluate(r).Allowed
		}
	}
	accounts := map[string]bool{}
	for who, r := range puts {
		accounts[account(who)] = true
		if used[role(who)] {
			reached++
			j.wants(r, "users-administer")
		}
		if len(accounts) > 1 {
			j.wants(r, "users-administer", "operator-administers", "foreign-administrator")
		}
	}
	for who, r := range deletes {
		if used[role(who)] {
			j.wants(r, "users-delete")
		}
	}
	return reached
}

// crossCheck draws policies, and requests to each, and wants a finding wherever one gets around
// attestation. It returns how many policies have which kind of way: attested, unattested,
// administration, and the ways of other operations.
func crossCheck(t *testing.T, seed uint64, policies int) []int {
	t.Helper()
	d := dice{rand.New(rand.NewPCG(7, seed))}
	reached := make([]int, 3+len(ways))
	for range policies {
		j := &judged{t: t, seed: seed, text: d.policy()}
		var err error
		if j.policy, err = keypolicy.Parse([]byte(j.text)); err != nil {
			t.Errorf("%v: %s", err, j.text)
			return reached
		}
		seen := make([]bool, len(reached))
		for range 40 {
			registers := []string{d.one(images...), d.one(images...), d.one(images...)}
			if d.IntN(8) == 0 {
				registers = []string{zeros, zeros, zeros}
			}
			if r := d.request("Decrypt", registers...); j.policy.Evaluate(r).Allowed {
				seen[0] = true
				j.attested(r, registers)
			}
			if r := d.request("Decrypt"); j.policy.Evaluate(r).Allowed {
				seen[1] = true
				j.wants(r, "unattested-decrypt")
			}
		}
		seen[2] = j.administration(d, 15) > 0
		for n, way := range ways {
			for range 15 {
				if r := d.request(way.action, way.registers...); j.policy.Evaluate(r).Allowed {
					seen[3+n] = true
					j.wants(r, way.rules...)
					break
				}
			}
		}
		for n, s := range seen {
			if s {
				reached[n]++
			}
		}
	}
	return reached
}

// foundSeeds are those of policies that the linter once passed or misjudged: each stays, and
// testdata/found.json keeps the policy when the dice are changed.
var foundSeeds = []uint64{37, 43, 50, 74, 165, 174, 224, 233, 299}

// Attack: policies that an earlier linter passed, with a request that gets around attestation. The
// evaluator allows the request still, and one of the rules finds it.
func TestFoundPoliciesStayFound(t *testing.T) {
	text, err := os.ReadFile("testdata/found.json")
	if err != nil {
		t.Fatal(err)
	}
	var list []struct {
		Policy  json.RawMessage
		Request keypolicy.Request
		Rules   []string
	}
	if err := json.Unmarshal(text, &list); err != nil || len(list) < 10 {
		t.Fatalf("got %d policies (%v), want at least 10", len(list), err)
	}
	for i, f := range list {
		policy, err := keypolicy.Parse(f.Policy)
		if err != nil {
			t.Fatal(err)
		}
		if !policy.Evaluate(f.Request).Allowed {
			t.Errorf("policy %d: the request is not allowed", i)
		}
		j := &judged{t: t, text: string(f.Policy), policy: policy}
		j.wants(f.Request, f.Rules...)
	}
	for _, seed := range foundSeeds {
		crossCheck(t, seed, 1)
	}
}

// The linter misses nothing that chance finds: if some request gets around attestation, there is a
// finding of the kind.
func TestNoRandomRequestFindsMore(t *testing.T) {
	const seeds, shards = 2000, 4
	reached := make([]int, 3+len(ways))
	var all sync.WaitGroup
	counts := make(chan []int, seeds)
	for shard := range uint64(shards) {
		all.Go(func() {
			for seed := shard; seed < seeds; seed += shards {
				counts <- crossCheck(t, seed, 1)
			}
		})
	}
	all.Wait()
	close(counts)
	for list := range counts {
		for n, count := range list {
			reached[n] += count
		}
	}
	for n, count := range reached {
		if count < seeds/50 {
			t.Errorf("way %d: %d policies of %d have it, want more for the test to say something", n, count, seeds)
		}
	}
	t.Logf("policies with a way, by way: %v", reached)
}

// The same for whatever seed.
func FuzzNoRequestFindsMore(f *testing.F) {
	for _, seed := range foundSeeds {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, seed uint64) { crossCheck(t, seed, 1) })
}
