package sluice_test

import (
	"testing"
	"time"

	"github.com/sluiceapi/sluice"
)

func TestNowIsOneTime(t *testing.T) {
	t.Parallel()
	asked := 0
	clock := func() time.Time { asked++; return time.Unix(int64(asked), 0) }
	x := sluice.NewExchange(nil)
	if first, second := x.Now(clock), x.Now(clock); first.Unix() != 1 || !second.Equal(first) {
		t.Error("two times on one way")
	}
	if x.Waited(); x.Now(clock).Unix() != 2 {
		t.Error("an old time after waiting")
	}
	var m sluice.Mark
	x.Mark(&m)
	if x.Again(&m, nil); x.Now(clock).Unix() != 3 {
		t.Error("an old time when it goes its way again")
	}
	if x.Reset(nil); x.Now(clock).Unix() != 4 {
		t.Error("the time of the exchange before")
	}
	if x.Arrived(time.Unix(7, 0)); x.Now(clock).Unix() != 7 {
		t.Error("not the time at which it arrived")
	}
}

func TestClock(t *testing.T) {
	t.Parallel()
	clock := sluice.NewClock()
	for range 1000 {
		before, now, after := time.Now(), clock(), time.Now()
		if now.Before(before) || now.After(after) {
			t.Fatalf("%v is not between %v and %v", now, before, after)
		}
	}
}

func BenchmarkClock(b *testing.B) {
	for name, clock := range map[string]func() time.Time{"clock": sluice.NewClock(), "time.Now": time.Now} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				clock()
			}
		})
	}
}
