// Package ownerkey writes the key policy of a data owner's KMS key, so that only pinned images can
// use what is sealed for them: see [Plan.Policy]. [Explain] says in words what a key policy
// permits.
//
// The statements stand in SPEC 12. The package does not look at IAM, grants or the key itself: see
// keylint, which judges all of it.
package ownerkey

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"anchorhold/protocol/appraise"
)

// A Plan says who may do what with the key. Trusted: who edits it decides which program sees
// records.
type Plan struct {
	Tenant string // the value of anchorhold:tenant
	// role ARNs of the owner's account: they change the policy and never use the key
	Administrators []string
	Sealers        []string // role ARNs of the owner's account: they make data keys and open none
	Parents        []string // role ARNs of other accounts: they open data keys, attested only
	Images         []Image
	// sealers may wrap data keys of other generators too (SPEC 12): for keys that are children in a
	// multi-keyring
	SealersEncrypt bool
}

// An Image is a pinned image. Of one that Drains, sealed jobs are still opened, and none is sealed
// any more.
type Image struct {
	appraise.Image
	Drains bool
}

// Images takes over the images of pins.
func Images(p *appraise.Pins) []Image {
	var list []Image
	for _, i := range p.Images {
		list = append(list, Image{Image: i})
	}
	return list
}

var (
	tenantPattern = regexp.MustCompile(`^[a-z0-9._-]{1,64}$`) // SPEC 8
	rolePattern   = regexp.MustCompile(`^arn:(aws|aws-cn|aws-us-gov):iam::([0-9]{12}):role/[A-Za-z0-9+=,.@_/-]{1,512}$`)
)

// check reports every fault of the plan.
func (p *Plan) check() error {
	var faults []error
	if !tenantPattern.MatchString(p.Tenant) {
		faults = append(faults, errors.New("tenant: want 1 to 64 of a-z 0-9 . _ -"))
	}
	owners := map[string]bool{} // accounts, with their partition
	for _, list := range []struct {
		what  string
		roles []string
	}{{"administrator", p.Administrators}, {"sealer", p.Sealers}, {"parent", p.Parents}} {
		if len(list.roles) == 0 {
			faults = append(faults, fmt.Errorf("no %s is named", list.what))
		}
		for _, role := range list.roles {
			m := rolePattern.FindStringSubmatch(role)
			switch {
			case m == nil:
				faults = append(faults, fmt.Errorf("%s %q: want a role, arn:aws:iam::ACCOUNT:role/NAME", list.what, role))
			case list.what != "parent":
				owners[m[1]+m[2]] = true
			case owners[m[1]+m[2]]:
				// Who administers the parent's account could otherwise change the policy of the
				// key.
				faults = append(faults, fmt.Errorf("parent %s: it is in the owner's own account; the parent's role belongs to another one", role))
			}
		}
	}
	if len(owners) > 1 {
		faults = append(faults, errors.New("administrators and sealers are in several accounts: KMS lets no other account than the key's own administer it"))
	}
	return errors.Join(append(faults, p.checkApart(), p.checkImages())...)
}

// checkApart keeps administration apart from use: who changes the policy must not be the one that
// it limits.
func (p *Plan) checkApart() error {
	var faults []error
	for _, role := range p.Sealers {
		if slices.Contains(p.Administrators, role) {
			faults = append(faults, fmt.Errorf("role %s is both administrator and sealer", role))
		}
	}
	return errors.Join(faults...)
}

func (p *Plan) checkImages() error {
	if len(p.Images) == 0 {
		return appraise.ErrNoPins
	}
	var faults []error
	seals := false
	for n, i := range p.Images {
		seals = seals || !i.Drains
		if i.PCR0.IsZero() || i.PCR1.IsZero() || i.PCR2.IsZero() {
			faults = append(faults, fmt.Errorf("image %q: %w", i.Name, appraise.ErrDebug))
		}
		for _, o := range p.Images[:n] {
			if o.PCR0 == i.PCR0 {
				faults = append(faults, fmt.Errorf("images %q and %q have the same PCR0", o.Name, i.Name))
			}
		}
	}
	if !seals {
		faults = append(faults, errors.New("every image drains: nothing could be sealed"))
	}
	return errors.Join(faults...)
}

// sid is a comment that KMS accepts as Sid: letters, digits and spaces. The number keeps two alike
// apart.
func sid(format string, args ...any) string {
	text := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return ' '
	}, fmt.Sprintf(format, args...))
	return strings.Join(strings.Fields(text), " ")
}
