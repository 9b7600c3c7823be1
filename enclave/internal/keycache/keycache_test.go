package keycache_test

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"anchorhold/enclave/internal/keycache"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const arn = "arn:aws:kms:us-east-1:111122223333:key/11111111-2222-3333-4444-555555555555"

// filler counts its calls and gives each a key of its own.
type filler struct{ calls atomic.Int32 }

func (f *filler) fill(_ context.Context, key *[keycache.KeySize]byte) (string, error) {
	n := f.calls.Add(1)
	copy(key[:], bytes.Repeat([]byte{byte(n)}, keycache.KeySize))
	return "request-" + string(rune('0'+n)), nil
}

func get(t *testing.T, c *keycache.Cache, id keycache.ID, f *filler) (byte, string) {
	t.Helper()
	var key [keycache.KeySize]byte
	request, err := c.Get(context.Background(), id, &key, f.fill, nil)
	if err != nil {
		t.Fatalf("Get: %v", err)
	}
	return key[0], request
}

func TestIdentifySeparatesEveryField(t *testing.T) {
	context1 := map[string]string{"a": "b", "c": "d"}
	ids := map[keycache.ID]string{}
	for name, id := range map[string]keycache.ID{
		"base":                keycache.Identify(arn, []byte("blob"), context1),
		"other arn":           keycache.Identify(arn[:len(arn)-1]+"6", []byte("blob"), context1),
		"other blob":          keycache.Identify(arn, []byte("blo"), context1),
		"boundary arn/blob":   keycache.Identify(arn+"b", []byte("lob"), context1),
		"other value":         keycache.Identify(arn, []byte("blob"), map[string]string{"a": "b", "c": "e"}),
		"boundary key/value":  keycache.Identify(arn, []byte("blob"), map[string]string{"ab": "", "c": "d"}),
		"boundary pair":       keycache.Identify(arn, []byte("blob"), map[string]string{"a": "bc", "d": ""}),
		"swapped":             keycache.Identify(arn, []byte("blob"), map[string]string{"a": "d", "c": "b"}),
		"without a pair":      keycache.Identify(arn, []byte("blob"), map[string]string{"a": "b"}),
		"with one pair more":  keycache.Identify(arn, []byte("blob"), map[string]string{"a": "b", "c": "d", "": ""}),
		"empty context":       keycache.Identify(arn, []byte("blob"), nil),
		"blob with a context": keycache.Identify(arn, []byte("blob\x00a\x00b"), nil),
	} {
		if other, ok := ids[id]; ok {
			t.Errorf("%s and %s have one id", name, other)
		}
		ids[id] = name
	}
	if keycache.Identify(arn, []byte("blob"), context1) != keycache.Identify(arn, []byte("blob"), map[string]string{"c": "d", "a": "b"}) {
		t.Error("the same question has two ids")
	}
}

func TestHitRemembersItsRequest(t *testing.T) {
	c, f := keycache.New(4, time.Minute), &filler{}
	defer c.Close()
	id := keycache.Identify(arn, []byte("blob"), nil)
	for range 3 {
		if key, request := get(t, c, id, f); key != 1 || request != "request-1" {
			t.Errorf("got key %d of %s, want 1 of request-1", key, request)
		}
	}
	if n := f.calls.Load(); n != 1 {
		t.Errorf("fill ran %d times, want 1", n)
	}
}

func TestEntriesEndOnTime(t *testing.T) {
	c, f := keycache.New(4, 30*time.Millisecond), &filler{}
	defer c.Close()
	id := keycache.Identify(arn, []byte("blob"), nil)
	get(t, c, id, f)
	waitFor(t, func() bool { return c.Len() == 0 }) // nobody asks, and it goes all the same
	if key, _ := get(t, c, id, f); key != 2 {
		t.Errorf("got key %d, want 2: the first has expired", key)
	}
}

func TestSlowFillDoesNotLengthenTheTime(t *testing.T) {
	c := keycache.New(4, 20*time.Millisecond)
	defer c.Close()
	var key [keycache.KeySize]byte
	_, err := c.Get(context.Background(), keycache.ID{1}, &key, func(context.Context, *[keycache.KeySize]byte) (string, error) {
		time.Sleep(40 * time.Millisecond)
		return "request", nil
	}, nil)
	if err != nil {
		t.Fatalf("Get: %v", err)
	}
	if c.Len() != 0 {
		t.Error("the key is kept past its time after the start of the Decrypt")
	}
}

func TestFullCacheDropsTheOldest(t *testing.T) {
	c, f := keycache.New(2, time.Minute), &filler{}
	defer c.Close()
	for i := range 3 {
		get(t, c, keycache.ID{byte(i)}, f)
	}
	if c.Len() != 2 {
		t.Errorf("got %d entries, want 2", c.Len())
	}
	if key, _ := get(t, c, keycache.ID{2}, f); key != 3 {
		t.Errorf("got key %d, want 3 from the cache", key)
	}
	if key, _ := get(t, c, keycache.ID{0}, f); key != 4 {
		t.Errorf("got key %d, want 4: the oldest was dropped", key)
	}
}

func TestConcurrentMissesShareOneFill(t *testing.T) {
	c, f := keycache.New(1, time.Minute), &filler{}
	defer c.Close()
	release := make(chan struct{})
	slow := func(ctx context.Context, key *[keycache.KeySize]byte) (string, error) {
		<-release
		return f.fill(ctx, key)
	}
	var callers sync.WaitGroup
	for range 20 {
		callers.Go(func() {
			var key [keycache.KeySize]byte
			if _, err := c.Get(context.Background(), keycache.ID{7}, &key, slow, nil); err != nil || key[0] != 1 {
				t.Errorf("got key %d, %v, want 1", key[0], err)
			}
		})
	}
	time.Sleep(20 * time.Millisecond)
	close(release)
	callers.Wait()
	if n := f.calls.Load(); n != 1 {
		t.Errorf("fill ran %d times, want 1", n)
	}
}

func TestOneCallerLeavingDoesNotFailTheOthers(t *testing.T) {
	c := keycache.New(4, time.Minute)
	defer c.Close()
	release := make(chan struct{})
	slow := func(ctx context.Context, key *[keycache.KeySize]byte) (string, error) {
		select {
		case <-release:
			key[0] = 9
			return "request", nil
		case <-ctx.Done():
			return "", ctx.Err()
		}
	}
	first, cancel := context.WithCancel(context.Background())
	left, told := make(chan error), make(chan string, 2)
	tell := func(request string) { told <- request }
	go func() {
		var key [keycache.KeySize]byte
		_, err := c.Get(first, keycache.ID{}, &key, slow, tell)
		left <- err
	}()
	waitFor(t, func() bool { time.Sleep(5 * time.Millisecond); return true })
	stayed := make(chan error)
	go func() {
		var key [keycache.KeySize]byte
		_, err := c.Get(context.Background(), keycache.ID{}, &key, slow, tell)
		if err == nil && key[0] != 9 {
			err = errors.New("wrong key")
		}
		stayed <- err
	}()
	cancel()
	if err := <-left; !errors.Is(err, context.Canceled) {
		t.Errorf("the caller that left got %v, want canceled", err)
	}
	close(release)
	if err := <-stayed; err != nil {
		t.Errorf("the caller that stayed got %v, want a key", err)
	}
	// A released key leaves a trace, whoever is still there to use it: once, of the caller that
	// left.
	waitFor(t, func() bool { return len(told) > 0 })
	if got := <-told; got != "request" || len(told) != 0 {
		t.Errorf("told %q and %d more, want request alone", got, len(told))
	}
}

// Everybody has gone, and KMS answers: with a key, or without one.
func TestLateAnswersAreTold(t *testing.T) {
	for _, err := range []error{nil, errors.New("denied")} {
		c := keycache.New(4, time.Minute)
		release, told := make(chan struct{}), make(chan string, 1)
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		var key [keycache.KeySize]byte
		_, got := c.Get(ctx, keycache.ID{}, &key, func(context.Context, *[keycache.KeySize]byte) (string, error) {
			<-release
			return "request", err
		}, func(request string) { told <- request })
		if !errors.Is(got, context.Canceled) {
			t.Errorf("got %v, want canceled", got)
		}
		close(release)
		c.Close() // waits for the fill
		if (len(told) == 1) != (err == nil) {
			t.Errorf("%v: told %d times, want once for a key and never without", err, len(told))
		}
	}
}

func TestFailuresAreNotKept(t *testing.T) {
	c, f := keycache.New(4, time.Minute), &filler{}
	defer c.Close()
	var key [keycache.KeySize]byte
	for name, fill := range map[string]keycache.Fill{
		"error": func(_ context.Context, key *[keycache.KeySize]byte) (string, error) {
			key[0] = 66
			return "request", errors.New("denied")
		},
		"panic": func(context.Context, *[keycache.KeySize]byte) (string, error) { panic("bug") },
	} {
		if _, err := c.Get(context.Background(), keycache.ID{}, &key, fill, nil); err == nil {
			t.Errorf("%s: got no error", name)
		}
		if key != [keycache.KeySize]byte{} {
			t.Errorf("%s: got a key beside an error", name)
		}
	}
	if key, _ := get(t, c, keycache.ID{}, f); key != 1 {
		t.Errorf("got key %d, want 1 from a new fill", key)
	}
}

func TestClosedCacheHoldsAndGivesNothing(t *testing.T) {
	c, f := keycache.New(4, time.Minute), &filler{}
	get(t, c, keycache.ID{}, f)
	c.Close()
	if c.Len() != 0 {
		t.Errorf("got %d entries after Close, want 0", c.Len())
	}
	var key [keycache.KeySize]byte
	if _, err := c.Get(context.Background(), keycache.ID{}, &key, f.fill, nil); err == nil {
		t.Error("Get after Close succeeded")
	}
}

func waitFor(t *testing.T, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("waited in vain")
		}
	}
}
