package canary_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"anchorhold/protocol/internal/canary"
	"anchorhold/protocol/protocoltest/testca"
)

const targetKey = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"

// refusal is KMS's answer to who is not allowed something, with the words after the action.
func refusal(rest string) scripted {
	message := "User: arn:aws:sts::444455556666:assumed-role/parent/i-0abc is not authorized to perform: ACTION " + rest
	body, err := json.Marshal(map[string]string{"__type": "AccessDeniedException", "Message": message})
	if err != nil {
		panic(err)
	}
	return scripted{status: 400, body: string(body)}
}

// Attack: credentials that IAM allows nothing, or a policy elsewhere that denies: KMS refuses all,
// and the key may be open. Only a refusal by the key policy counts.
func TestReasonsDecide(t *testing.T) {
	document := genuine(t, testca.New(time.Now))
	on := "on resource: " + targetKey + " "
	for _, c := range []struct {
		words, by string
		want      canary.Verdict
	}{
		{on + "with an explicit deny in a resource-based policy", "key policy", canary.Refused},
		{on + "because no resource-based policy allows the ACTION action", "key policy", canary.Refused},
		{on + "because no resource-based policy allows the ACTION action.", "key policy", canary.Refused},
		{"on this resource because the resource does not exist in this Region, no resource-based policies allow access, or a resource-based policy explicitly denies access", "key policy", canary.Refused},
		{on + "because no identity-based policy allows the ACTION action", "identity-based policy", canary.Inconclusive},
		{on + "with an explicit deny in an identity-based policy", "identity-based policy", canary.Inconclusive},
		{on + "with an explicit deny in a service control policy", "service control policy", canary.Inconclusive},
		{on + "with an explicit deny in a permissions boundary", "permissions boundary", canary.Inconclusive},
		{on + "because no permissions boundary allows the ACTION action", "permissions boundary", canary.Inconclusive},
		{on + "because no session policy allows the ACTION action", "session policy", canary.Inconclusive},
		{on + "because no VPC endpoint policy allows the ACTION action", "VPC endpoint policy", canary.Inconclusive},
		{on + "because no resource-based policy allows the kms:DescribeKey action", "unknown", canary.Inconclusive},
		{"on resource: " + targetKey[:len(targetKey)-1] + "0 with an explicit deny in a resource-based policy", "unknown", canary.Inconclusive},
		{on + "with an explicit deny in a resource-based policy or an identity-based policy", "unknown", canary.Inconclusive},
		{on, "unknown", canary.Inconclusive},
		{"", "unknown", canary.Inconclusive},
	} {
		outcomes, err := target(refusal(c.words), document).Attempts(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range outcomes {
			if o.Verdict != c.want || o.By != c.by {
				t.Errorf("%q: %s: got %s by %s, want %s by %s", c.words, o.Attempt, o.Verdict, o.By, c.want, c.by)
			}
		}
	}
	for _, message := range []string{
		"", "no", "with an explicit deny in a resource-based policy",
		"The ciphertext refers to a customer master key that does not exist, does not exist in this region, or you are not allowed to access.",
	} {
		body, err := json.Marshal(map[string]string{"__type": "AccessDeniedException", "Message": message})
		if err != nil {
			t.Fatal(err)
		}
		outcomes, err := target(scripted{status: 400, body: string(body)}, document).Attempts(t.Context())
		if err != nil || canary.Worst(outcomes) != canary.Inconclusive || canary.Count(outcomes)[canary.Inconclusive] != len(outcomes) {
			t.Errorf("%q: got %v (%v), want all inconclusive", message, outcomes, err)
		}
	}
}

// Attack: the source of ReEncrypt is open, and what refuses is the key that it goes to.
func TestRefusalByTheDestinationProvesNothing(t *testing.T) {
	document := genuine(t, testca.New(time.Now))
	answer := refusal("on resource: " + targetKey + " with an explicit deny in a resource-based policy")
	answer.body = strings.Replace(answer.body, "ACTION", "kms:ReEncryptTo", 1)
	outcomes, err := target(answer, document).Attempts(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range outcomes {
		if o.Attempt == "ReEncrypt" && o.Verdict != canary.Inconclusive {
			t.Errorf("got %+v, want inconclusive", o)
		}
	}
}

func TestWorstOfOutcomes(t *testing.T) {
	made := func(list ...canary.Verdict) (out []canary.Outcome) {
		for _, v := range list {
			out = append(out, canary.Outcome{Verdict: v})
		}
		return out
	}
	for _, c := range []struct {
		outcomes []canary.Outcome
		want     canary.Verdict
	}{
		{nil, canary.Inconclusive},
		{made(canary.Refused, canary.Refused), canary.Refused},
		{made(canary.Refused, canary.Inconclusive, canary.Refused), canary.Inconclusive},
		{made(canary.Odd, canary.Inconclusive), canary.Odd},
		{made(canary.Open, canary.Odd, canary.Inconclusive), canary.Open},
	} {
		if got := canary.Worst(c.outcomes); got != c.want {
			t.Errorf("%v: got %s, want %s", c.outcomes, got, c.want)
		}
	}
}

// identity is an STS that knows one caller.
type identity struct {
	arn string
	err error
}

func (i identity) GetCallerIdentity(context.Context, *sts.GetCallerIdentityInput, ...func(*sts.Options)) (*sts.GetCallerIdentityOutput, error) {
	return &sts.GetCallerIdentityOutput{Arn: aws.String(i.arn)}, i.err
}

// Attack: the canary is run with other credentials than the role's, and all is refused to these.
func TestCallerMustBeTheRole(t *testing.T) {
	const role = "arn:aws:iam::444455556666:role/path/parent"
	for arn, want := range map[string]bool{
		role: true,
		"arn:aws:sts::444455556666:assumed-role/parent/i-0abc":  true,
		"arn:aws:sts::444455556666:assumed-role/parents/i-0abc": false,
		"arn:aws:sts::444455556666:assumed-role/PARENT/i-0abc":  false,
		"arn:aws:sts::999955556666:assumed-role/parent/i-0abc":  false,
		"arn:aws:iam::444455556666:role/parent":                 false,
		"arn:aws:iam::444455556666:user/parent":                 false,
		"arn:aws:sts::444455556666:federated-user/parent":       false,
		"arn:aws:iam::444455556666:root":                        false,
		"":                                                      false,
	} {
		got, err := canary.CheckCaller(t.Context(), identity{arn: arn}, role)
		if (err == nil) != want || want && got != arn {
			t.Errorf("%s: got %q and %v, want accepted %v", arn, got, err, want)
		}
	}
	if _, err := canary.CheckCaller(t.Context(), identity{err: errors.New("no answer")}, role); err == nil {
		t.Error("without an answer of STS the caller was accepted")
	}
}
