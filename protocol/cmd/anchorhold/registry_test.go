package main

import "sync"

// registry holds one value for each running script; scripts run in parallel.
type registry[K comparable, V any] struct {
	mu sync.Mutex
	m  map[K]V // guarded by mu
}

func newRegistry[K comparable, V any]() *registry[K, V] { return &registry[K, V]{m: make(map[K]V)} }

func (r *registry[K, V]) set(k K, v V) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.m[k] = v
}

func (r *registry[K, V]) get(k K) V {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.m[k]
}

func (r *registry[K, V]) drop(k K) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.m, k)
}
