package devkms_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"anchorhold/protocol/protocoltest/vectorfile"
)

// unproven are findings that the local KMS cannot show, and why.
var unproven = map[string]string{
	"tpm-only/nitrotpm-instance":           "documents of a NitroTPM come from instances, not enclaves, and have a form of their own, which the local KMS does not take",
	"parent-moves-primary/users-delete":    "the local KMS has no UpdatePrimaryRegion",
	"role-in-path/unattested-decrypt":      "the local KMS has no roles in paths",
	"federated-user-puts/users-administer": "the local KMS has no federated users",
	"attested-put/never-applies":           "KMS takes no document with PutKeyPolicy, so that nobody can send what the statement asks for",
	"attested-put/no-recipient":            "the same",
}

// enough proofs of nothing-denied, which every flawed policy is: each takes a key more.
const enough = 6

func goodPolicy(t *testing.T) string {
	t.Helper()
	return string(vectorfile.Load(t, "../../../protocol/keylint/testdata/good.txt")[0].Body)
}

// Attack: what each finding says can be done is done, on the local KMS, with the flawed policy: a
// data key leaks, or one is made that the enclave takes for the owner's, or jobs fail. With the fix
// in its place the same fails, and the enclave still opens.
func TestFindingsAreReal(t *testing.T) {
	owners, operators, third := newProving(t, ownersAccount), newProving(t, operatorsAccount), newProving(t, thirdAccount)
	good := goodPolicy(t)
	fixed := owners.seal(t, good, &kms.CreateKeyInput{})
	if !fixed.decrypt(owners.parent(), "a", fixed.blobs["a"]) || !fixed.decrypt(owners.parent(), "b", fixed.blobs["b"]) {
		t.Fatal("the good policy does not let the enclaves open")
	}
	accounts := func(rule string) []*proving {
		if rule == "foreign-administrator" {
			return []*proving{third}
		}
		if slices.Contains(ownAccount, rule) {
			return []*proving{owners, operators}
		}
		return []*proving{owners}
	}
	proven, mended, pairs := map[string]int{}, map[string]bool{}, 0
	for _, v := range vectorfile.Load(t, "../../../protocol/keylint/testdata/flawed/*.txt") {
		flawed := string(v.Body)
		for _, rule := range strings.Fields(v.Expect()) {
			p, ok := proofs[rule]
			if unproven[v.Name+"/"+rule] != "" || rule == "nothing-denied" && proven[rule] == enough {
				continue
			}
			if !ok {
				t.Errorf("%s: no attack for %s", v.Name, rule)
				continue
			}
			comesAbout := func(policy string) bool {
				return slices.ContainsFunc(accounts(rule), func(where *proving) bool { return p.harm(where.keyFor(t, rule, policy)) })
			}
			if comesAbout(flawed) {
				proven[rule]++
				pairs++
			} else {
				t.Errorf("%s: the attack for %s achieves nothing", v.Name, rule)
			}
			fix := good
			if p.mend != nil {
				fix = p.mend(good, flawed)
			} else if mended[rule] {
				continue // the same fix as before
			}
			mended[rule] = true
			if comesAbout(fix) {
				t.Errorf("%s: the fix does not stop the attack for %s", v.Name, rule)
			}
		}
	}
	for rule := range proofs {
		if proven[rule] == 0 {
			t.Errorf("%s: no flawed policy proves it", rule)
		}
	}
	t.Logf("%d findings of %d rules proven: %v", pairs, len(proven), proven)
}

// keyFor gives the kind of key that an attack is about.
func (p *proving) keyFor(t *testing.T, rule, policy string) *sealedKey {
	switch {
	case rule == "replicate":
		return p.seal(t, policy, &kms.CreateKeyInput{MultiRegion: new(true)})
	case rule == "import-material":
		return p.seal(t, policy, &kms.CreateKeyInput{Origin: types.OriginTypeExternal})
	case slices.Contains(changing, rule):
		return p.seal(t, policy, &kms.CreateKeyInput{})
	default:
		return p.again(t, policy)
	}
}
