package keypolicy_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"anchorhold/protocol/keypolicy"
)

// A requestCase is one line of testdata/cases.json: a policy, perhaps grants, and a request, with
// the page of the AWS documentation that says what becomes of it.
type requestCase struct {
	Page, Name, Version string
	Statements          json.RawMessage
	Grants              []keypolicy.Grant
	Principal           string
	Action, Resource    string
	Context             values
	Want                string
	UniqueID            string `json:"unique_id"`
}

func (c *requestCase) policy() string {
	version := c.Version
	if version == "" {
		version = "2012-10-17"
	}
	return `{"Version":"` + version + `","Statement":` + string(c.Statements) + `}`
}

func (c *requestCase) decide() (string, error) {
	p, err := keypolicy.Parse([]byte(c.policy()))
	if err != nil {
		return "", err
	}
	r := keypolicy.Request{Principal: c.Principal, UniqueID: c.UniqueID, Action: c.Action, Resource: c.Resource, Context: c.Context}
	if r.Resource == "" {
		r.Resource = keyARN
	}
	switch d := keypolicy.Authorize(p, c.Grants, r); {
	case d.Denied:
		return "deny", nil
	case d.Grant != "":
		return map[string]string{"g1": "grant", "g2": "grant2"}[d.Grant], nil
	case d.Delegated:
		return "delegated", nil
	case d.Allowed:
		return "allow", nil
	default:
		return "implicit", nil
	}
}

func loadCases(t testing.TB) []requestCase {
	t.Helper()
	src, err := os.ReadFile("testdata/cases.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []requestCase
	if err := json.Unmarshal(src, &cases); err != nil {
		t.Fatal(err)
	}
	return cases
}

func TestRequests(t *testing.T) {
	for _, c := range loadCases(t) {
		if got, err := c.decide(); err != nil || got != c.Want {
			t.Errorf("%s (%s): got %s and error %v, want %s", c.Name, c.Page, got, err, c.Want)
		}
	}
}

// pages are the documents behind the short names in the tables of conditions and statements.
var pages = map[string]string{
	"string":          "IAM User Guide, IAM JSON policy elements: Condition operators",
	"negated, absent": "IAM User Guide, IAM JSON policy elements: Condition operators",
	"numeric":         "IAM User Guide, IAM JSON policy elements: Condition operators",
	"date":            "IAM User Guide, IAM JSON policy elements: Condition operators",
	"bool":            "IAM User Guide, IAM JSON policy elements: Condition operators",
	"arn":             "IAM User Guide, IAM JSON policy elements: Condition operators",
	"ifexists":        "IAM User Guide, IAM JSON policy elements: Condition operators",
	"null":            "IAM User Guide, IAM JSON policy elements: Condition operators",
	"set":             "IAM User Guide, Creating a condition with multiple keys or values",
	"logic":           "IAM User Guide, Creating a condition with multiple keys or values",
	"key case":        "IAM User Guide, IAM JSON policy elements: Condition",
	"enclave":         "KMS Developer Guide, AWS KMS condition keys for AWS Nitro Enclaves",
	"context":         "KMS Developer Guide, AWS KMS condition keys",
	"context keys":    "KMS Developer Guide, AWS KMS condition keys",
	"worst case":      "ours: AWS does not say, so either value may count",
	"principal":       "IAM User Guide, AWS JSON policy elements: Principal",
	"session":         "IAM User Guide, AWS JSON policy elements: Principal",
	"notprincipal":    "IAM User Guide, AWS JSON policy elements: NotPrincipal",
	"action":          "IAM User Guide, IAM JSON policy elements: Action",
	"notaction":       "IAM User Guide, IAM JSON policy elements: NotAction",
	"resource":        "IAM User Guide, IAM JSON policy elements: Resource",
}

// Each expectation names the page that it is taken from, and there are enough of them.
func TestCasesNamePages(t *testing.T) {
	cited := 0
	cite := func(page string) {
		if pages[page] == "" {
			t.Errorf("page %q is not in the list", page)
		} else if !strings.HasPrefix(pages[page], "ours") {
			cited++
		}
	}
	for _, c := range conditionCases {
		cite(c.page)
	}
	for _, c := range statementCases {
		cite(c.page)
	}
	for _, c := range loadCases(t) {
		cited++
		if !strings.HasPrefix(c.Page, "IAM User Guide, ") && !strings.HasPrefix(c.Page, "KMS ") {
			t.Errorf("%s names page %q", c.Name, c.Page)
		}
	}
	if cited < 150 {
		t.Errorf("got %d cases from AWS's documentation, want at least 150", cited)
	}
	t.Logf("%d cases", cited)
}

func TestGrantCovers(t *testing.T) {
	// KMS Developer Guide, "Granting CreateGrant permission".
	it, test := values{"d": {"IT"}}, map[string]string{"d": "IT", "p": "Test"}
	subset := map[string]string{"d": it["d"][0]}
	parent := keypolicy.Grant{Operations: []string{"Decrypt", "CreateGrant"}, Subset: subset}
	exact := keypolicy.Grant{Operations: []string{"Decrypt"}, Equals: subset}
	for name, c := range map[string]struct {
		parent, child keypolicy.Grant
		want          bool
	}{
		"same":               {parent, parent, true},
		"fewer operations":   {parent, keypolicy.Grant{Operations: []string{"Decrypt"}, Subset: subset}, true},
		"other operation":    {parent, keypolicy.Grant{Operations: []string{"Encrypt"}, Subset: subset}, false},
		"no constraint":      {parent, keypolicy.Grant{Operations: []string{"Decrypt"}}, false},
		"more pairs":         {parent, keypolicy.Grant{Operations: []string{"Decrypt"}, Subset: test}, true},
		"subset to equals":   {parent, exact, true},
		"equals to subset":   {exact, keypolicy.Grant{Operations: []string{"Decrypt"}, Subset: subset}, false},
		"equals, more pairs": {exact, keypolicy.Grant{Operations: []string{"Decrypt"}, Equals: test}, false},
		"another value":      {parent, keypolicy.Grant{Operations: []string{"Decrypt"}, Subset: map[string]string{"d": "HR"}}, false},
	} {
		if got := c.parent.Covers(c.child); got != c.want {
			t.Errorf("%s: got %v, want %v", name, got, c.want)
		}
	}
}

// A grant names one principal: a wildcard in its place is nobody.
func TestGrantToEveryoneIsToNobody(t *testing.T) {
	for _, grantee := range []string{"*", "", "x", "arn:aws:iam::444455556666:role/*"} {
		g := keypolicy.Grant{Grantee: grantee, Operations: []string{"Decrypt"}}
		if g.Allows(keypolicy.Request{Principal: parent, Action: "kms:Decrypt", Resource: keyARN}) {
			t.Errorf("%q: allowed", grantee)
		}
	}
}
