package keycache

import (
	"context"
	"testing"
	"time"
)

// TestInvariant1_KeysAreZeroedOnTheWayOut looks inside: what was a key must be zero once the cache has let it go.
func TestInvariant1_KeysAreZeroedOnTheWayOut(t *testing.T) {
	fill := func(_ context.Context, key *[KeySize]byte) (string, error) {
		for i := range key {
			key[i] = 0xa5
		}
		return "request", nil
	}
	for name, leave := range map[string]func(*Cache){
		"close": func(c *Cache) { c.Close() },
		"pressure": func(c *Cache) {
			var key [KeySize]byte
			_, _ = c.Get(context.Background(), ID{2}, &key, fill)
		},
		"time": func(c *Cache) { time.Sleep(80 * time.Millisecond) },
	} {
		c := New(1, 40*time.Millisecond)
		var key [KeySize]byte
		if _, err := c.Get(context.Background(), ID{1}, &key, fill); err != nil || key[0] != 0xa5 {
			t.Fatalf("%s: got key %x, %v", name, key[0], err)
		}
		c.mu.Lock()
		held := c.entries[ID{1}]
		if held == nil || held.key[0] != 0xa5 {
			t.Fatalf("%s: the entry does not hold the key", name)
		}
		c.mu.Unlock()
		leave(c)
		c.mu.Lock()
		if held.key != [KeySize]byte{} {
			t.Errorf("%s: the key is still in memory", name)
		}
		c.mu.Unlock()
		c.Close()
	}
}
