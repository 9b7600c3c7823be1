package devkms_test

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
)

// imageOpens tells whether the first image opens what is sealed for it.
func imageOpens(k *sealedKey) bool { return k.decrypt(k.parent(), "a", k.blobs["a"]) }

// edited is a policy whose statements edit returns.
func edited(policy string, edit func([]any) []any) string {
	var d map[string]any
	if err := json.Unmarshal([]byte(policy), &d); err != nil {
		panic(err)
	}
	d["Statement"] = edit(d["Statement"].([]any))
	text, err := json.Marshal(d)
	if err != nil {
		panic(err)
	}
	return string(text)
}

// actsWithoutDenials tells whether something is refused today and allowed as soon as the denials
// are gone.
func actsWithoutDenials(k *sealedKey) bool {
	opens, reEncrypts := imageOpens(k), reEncrypted(k)
	without := k.again(k.t, withoutDenials(k.policy))
	return !opens && imageOpens(without) || !reEncrypts && reEncrypted(without)
}

func withoutDenials(policy string) string {
	return edited(policy, func(list []any) []any {
		return slices.DeleteFunc(list, func(s any) bool { return s.(map[string]any)["Effect"] == "Deny" })
	})
}

// grantStays makes a grant while one statement more allows it, and opens with it as soon as the
// denials are gone.
func grantStays(k *sealedKey) bool {
	more := k.with(everyoneEverything)
	if !more.grant(k.actor("other")) {
		return false
	}
	more.put(withoutDenials(k.policy))
	return more.decrypt(k.stranger(), "", more.blobs["a"])
}

// lastUnconditional takes the condition from the statement that was added.
func lastUnconditional(_, flawed string) string {
	return edited(flawed, func(list []any) []any {
		delete(list[len(list)-1].(map[string]any), "Condition")
		return list
	})
}

// misnamed is for a denial of Decrypt without a document, which denies the image as well, and one
// of DescribeKey, which denies nobody.
func misnamed(k *sealedKey) bool {
	if !strings.Contains(k.policy, "aws:Princip") {
		return !imageOpens(k)
	}
	_, err := k.actor("admin").DescribeKey(context.Background(), &kms.DescribeKeyInput{KeyId: &k.arn})
	return err == nil
}

func namedRight(_, flawed string) string {
	return strings.NewReplacer(`"kms:RecipientAttestation"`, `"kms:RecipientAttestation:PCR0"`, "aws:PrincipleArn", "aws:PrincipalArn").Replace(flawed)
}

// secondInLowerCase writes the second image's PCR0 as documents have it.
func secondInLowerCase(_, flawed string) string {
	q0 := second.PCR0.String()
	return strings.ReplaceAll(flawed, strings.ToUpper(q0), q0)
}

// measurementDoesNothing is for policies that deny the second image, or that let in the first, by a
// value that no register has.
func measurementDoesNothing(k *sealedKey) bool {
	if strings.Contains(k.policy, `"Deny"`) {
		return revokedOpens(k)
	}
	return !imageOpens(k)
}

// measurementsRepaired has them say what they should.
func measurementsRepaired(_, flawed string) string {
	p0, q0 := image.PCR0.String(), second.PCR0.String()
	return strings.NewReplacer(
		`"`+p0[:95]+`"`, `"`+p0+`"`, `"sha384:*"`, `"`+p0+`"`,
		strings.ToUpper(q0), q0, `"`+q0[:95]+`"`, `"`+q0+`"`, `"StringEquals": {
     "kms:RecipientAttestation:PCR0": "`+strings.ToUpper(q0), `"StringEqualsIgnoreCase": {
     "kms:RecipientAttestation:PCR0": "`+q0,
	).Replace(flawed)
}

// grantedToEncrypt has a grant that opens nothing, and wraps with it a data key that passes for the
// owner's.
func grantedToEncrypt(k *sealedKey) bool {
	return k.anyone(func(a actor) bool {
		_, err := a.CreateGrant(context.Background(), &kms.CreateGrantInput{
			KeyId: &k.arn, GranteePrincipal: new(strangerUserARN), Operations: []types.GrantOperation{types.GrantOperationEncrypt},
		})
		return err == nil && wrapped(k, k.stranger())
	})
}
