package pool_test

import (
	"testing"
	"time"

	"github.com/sluiceapi/sluice/backend/sql/postgres/pool"
)

// BenchmarkAcquire lends and takes back one connection that is free.
func BenchmarkAcquire(b *testing.B) {
	p := newPool(b, &server{}, nil)
	p.Release(acquire(b, p, true), false)
	b.ReportAllocs()
	for b.Loop() {
		lend(b, p)
	}
}

func lend(b *testing.B, p *pool.Pool[*conn]) {
	h, err := p.Acquire(time.Time{}, true)
	if err != nil {
		b.Error(err)
		return
	}
	p.Release(h, false)
}

// BenchmarkAcquireMany has all processors share 20 connections.
func BenchmarkAcquireMany(b *testing.B) {
	p := newPool(b, &server{}, func(o *pool.Options[*conn]) { o.Max = 20 })
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			lend(b, p)
		}
	})
}

// BenchmarkWait has 8 callers to a processor wait for 2 connections.
func BenchmarkWait(b *testing.B) {
	p := newPool(b, &server{}, func(o *pool.Options[*conn]) { o.Max = 2 })
	b.ReportAllocs()
	b.SetParallelism(8)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			lend(b, p)
		}
	})
}
