package appraise_test

import (
	"errors"
	"testing"
	"time"

	"github.com/hf/nsm/request"

	"anchorhold/protocol/appraise"
	"anchorhold/protocol/attest"
	"anchorhold/protocol/digest"
	"anchorhold/protocol/measure"
	"anchorhold/protocol/protocoltest/softnsm"
	"anchorhold/protocol/protocoltest/testca"
	"anchorhold/protocol/verify"
)

const role = "arn:aws:iam::111122223333:role/parent"

var (
	now         = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	policy      = []byte("compiled policy")
	certificate = []byte("signing certificate")
	nonce       = []byte("a nonce of the caller")
)

// scene is one document and what is wanted of it; tests change either.
type scene struct {
	image    measure.Image
	at       time.Time // of the document
	userData *attest.UserData
	nonce    []byte
	key      []byte
	want     appraise.Want
}

func good() *scene {
	image := measure.DevImage([]byte("program"), policy)
	return &scene{
		image: image, at: now.Add(-time.Minute), nonce: nonce,
		userData: &attest.UserData{Purpose: attest.PurposeChallenge, Policy: digest.Sum(policy)},
		want: appraise.Want{
			Pins:   pins(appraise.Image{Name: "release", PCR0: image.PCR0, PCR1: image.PCR1, PCR2: image.PCR2}),
			Policy: policy, Nonce: nonce, MaxAge: 5 * time.Minute, Now: now,
		},
	}
}

func pins(images ...appraise.Image) *appraise.Pins {
	return &appraise.Pins{Layout: appraise.LayoutAnchorhold, Expires: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC), Images: images}
}

func (s *scene) check(t *testing.T) (*appraise.Appraisal, error) {
	t.Helper()
	clock := func() time.Time { return s.at }
	ca := testca.NewSeeded("appraise test", clock)
	n := softnsm.New(softnsm.Config{CA: ca, Image: s.image, RoleARN: role, InstanceID: "i-0abc", SigningCertificate: certificate, Now: clock})
	var userData []byte
	if s.userData != nil {
		var err error
		if userData, err = s.userData.Encode(); err != nil {
			t.Fatal(err)
		}
	}
	res, err := n.Send(&request.Attestation{UserData: userData, Nonce: s.nonce, PublicKey: s.key})
	if err != nil {
		t.Fatal(err)
	}
	v, err := verify.Archived(res.Attestation.Document, ca.Roots())
	if err != nil {
		t.Fatal(err)
	}
	return appraise.Check(v, s.want)
}

func TestAccepted(t *testing.T) {
	ptr := func(d digest.Digest) *digest.Digest { return &d }
	for name, change := range map[string]func(*scene){
		"as wanted":       func(*scene) {},
		"nonce unchecked": func(s *scene) { s.want.Nonce = nil },
		"receipts": func(s *scene) {
			s.nonce, s.want.Nonce = nil, nil
			s.userData.Purpose, s.userData.Batch = attest.PurposeReceipts, &attest.Batch{Size: 1}
		},
		"kms": func(s *scene) {
			s.nonce, s.want.Nonce, s.key, s.userData.Purpose = nil, nil, []byte("key"), attest.PurposeKMS
		},
		"second image": func(s *scene) {
			s.want.Pins.Images = append([]appraise.Image{{Name: "old", PCR0: digest.Sum(), PCR1: digest.Sum(), PCR2: digest.Sum()}}, s.want.Pins.Images...)
		},
		"all registers": func(s *scene) {
			i := &s.want.Pins.Images[0]
			i.PCR3, i.PCR4, i.PCR8 = ptr(measure.RolePCR3(role)), ptr(measure.InstancePCR4("i-0abc")), ptr(measure.CertificatePCR8(certificate))
		},
		"nitro-cli": func(s *scene) {
			s.want.Pins.Layout = appraise.LayoutNitroCLI
			s.image.PCR2 = digest.Sum([]byte("program and policy"))
			s.want.Pins.Images[0].PCR2 = s.image.PCR2
		},
		"without policy":         func(s *scene) { s.want.Policy, s.want.WithoutPolicy = nil, true },
		"foreign, no policy":     func(s *scene) { s.want.Policy, s.want.WithoutPolicy, s.userData = nil, true, nil },
		"archived":               func(s *scene) { s.at, s.want.MaxAge = now.AddDate(-1, 0, 0), appraise.AnyAge },
		"slow clock":             func(s *scene) { s.at = now.Add(30 * time.Second) },
		"last day of pins":       func(s *scene) { s.want.Now = time.Date(2026, 3, 1, 23, 59, 59, 0, time.UTC); s.at = s.want.Now },
		"exactly at lower bound": func(s *scene) { s.want.NotBefore = s.at },
	} {
		t.Run(name, func(t *testing.T) {
			s := good()
			change(s)
			a, err := s.check(t)
			if err != nil {
				t.Fatal(err)
			}
			if a.Image.Name != "release" || a.Document.Debug() || (a.UserData == nil) != (s.userData == nil) {
				t.Errorf("got %+v", a)
			}
		})
	}
}

func TestRefused(t *testing.T) {
	other := digest.Sum([]byte("other"))
	image := func(s *scene) *appraise.Image { return &s.want.Pins.Images[0] }
	for name, c := range map[string]struct {
		change func(*scene)
		want   error
	}{
		"zero want":           {func(s *scene) { s.want = appraise.Want{} }, appraise.ErrNoPins},
		"no pins":             {func(s *scene) { s.want.Pins = nil }, appraise.ErrNoPins},
		"empty pins":          {func(s *scene) { s.want.Pins.Images = nil }, appraise.ErrNoPins},
		"zero pins":           {func(s *scene) { s.want.Pins = &appraise.Pins{} }, appraise.ErrPins},
		"no layout":           {func(s *scene) { s.want.Pins.Layout = "" }, appraise.ErrPins},
		"pins without end":    {func(s *scene) { s.want.Pins.Expires = time.Time{} }, appraise.ErrPins},
		"pins ended":          {func(s *scene) { s.want.Now = time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC) }, appraise.ErrPinsExpired},
		"no time":             {func(s *scene) { s.want.Now = time.Time{} }, appraise.ErrWant},
		"no age":              {func(s *scene) { s.want.MaxAge = 0 }, appraise.ErrWant},
		"no policy":           {func(s *scene) { s.want.Policy = nil }, appraise.ErrWant},
		"empty nonce wanted":  {func(s *scene) { s.want.Nonce = []byte{} }, appraise.ErrWant},
		"debug enclave":       {func(s *scene) { s.image = measure.Image{} }, appraise.ErrDebug},
		"only PCR0 zero":      {func(s *scene) { s.image.PCR0 = digest.Digest{} }, appraise.ErrDebug},
		"only PCR1 zero":      {func(s *scene) { s.image.PCR1 = digest.Digest{} }, appraise.ErrDebug},
		"only PCR2 zero":      {func(s *scene) { s.image.PCR2 = digest.Digest{} }, appraise.ErrDebug},
		"debug pins":          {func(s *scene) { *image(s) = appraise.Image{Name: "debug"}; s.image = measure.Image{} }, appraise.ErrDebug},
		"debug beside good":   {func(s *scene) { s.want.Pins.Images = append(s.want.Pins.Images, appraise.Image{Name: "debug"}) }, appraise.ErrDebug},
		"another PCR0":        {func(s *scene) { image(s).PCR0 = other }, appraise.ErrImage},
		"another PCR1":        {func(s *scene) { image(s).PCR1 = other }, appraise.ErrImage},
		"another PCR2":        {func(s *scene) { image(s).PCR2 = other }, appraise.ErrImage},
		"another PCR3":        {func(s *scene) { image(s).PCR3 = &other }, appraise.ErrImage},
		"another PCR4":        {func(s *scene) { image(s).PCR4 = &other }, appraise.ErrImage},
		"another PCR8":        {func(s *scene) { image(s).PCR8 = &other }, appraise.ErrImage},
		"registers of two":    {mixed, appraise.ErrImage},
		"another policy":      {func(s *scene) { s.want.Policy = []byte("other policy") }, appraise.ErrPolicy},
		"PCR2 not the policy": {func(s *scene) { s.image.PCR2 = other; image(s).PCR2 = other }, appraise.ErrPolicy},
		"nitro-cli, another policy": {func(s *scene) {
			s.want.Pins.Layout, s.want.Policy = appraise.LayoutNitroCLI, []byte("other policy")
		}, appraise.ErrPolicy},
		"no user data":              {func(s *scene) { s.userData = nil }, appraise.ErrUserData},
		"challenge with public key": {func(s *scene) { s.key = []byte("key") }, appraise.ErrUserData},
		"challenge without nonce":   {func(s *scene) { s.nonce = nil }, appraise.ErrUserData},
		"kms with nonce":            {func(s *scene) { s.userData.Purpose = attest.PurposeKMS }, appraise.ErrUserData},
		"another nonce":             {func(s *scene) { s.want.Nonce = []byte("a nonce of the calleR") }, appraise.ErrNonce},
		"longer nonce":              {func(s *scene) { s.nonce = append(nonce[:len(nonce):len(nonce)], 0) }, appraise.ErrNonce},
		"nonce's beginning":         {func(s *scene) { s.nonce = nonce[:4] }, appraise.ErrNonce},
		"too old":                   {func(s *scene) { s.at = now.Add(-5*time.Minute - time.Millisecond) }, appraise.ErrStale},
		"from the future":           {func(s *scene) { s.at = now.Add(time.Minute + time.Millisecond) }, appraise.ErrFuture},
		"archived, future":          {func(s *scene) { s.at, s.want.MaxAge = now.Add(time.Hour), appraise.AnyAge }, appraise.ErrFuture},
		"before the lower bound":    {func(s *scene) { s.want.NotBefore = s.at.Add(time.Millisecond) }, appraise.ErrTooEarly},
	} {
		t.Run(name, func(t *testing.T) {
			s := good()
			c.change(s)
			if a, err := s.check(t); !errors.Is(err, c.want) || a != nil {
				t.Errorf("got %v, want %v", err, c.want)
			}
		})
	}
	if _, err := appraise.Check(nil, good().want); !errors.Is(err, appraise.ErrWant) {
		t.Errorf("no document: got %v", err)
	}
}

// mixed pins two images; the enclave has PCR0 of one and PCR1 of the other, as after shifting bytes
// between ramdisks.
func mixed(s *scene) {
	second := s.want.Pins.Images[0]
	second.Name, second.PCR1 = "second", digest.Sum([]byte("second"))
	s.want.Pins.Images[0].PCR0 = digest.Sum([]byte("first"))
	s.want.Pins.Images = append(s.want.Pins.Images, second)
}
