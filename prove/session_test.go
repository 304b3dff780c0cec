package main

import (
	"errors"
	"testing"
)

// The checker must see each way in which a promise can be broken, and nothing else.
func TestBounds(t *testing.T) {
	t.Parallel()
	type step struct {
		do outcome // of a write; of a read it is reads
		n  int
	}
	const reads = outcome(9)
	stale := func(err error) bool { _, is := errors.AsType[staleError](err); return is }
	twice := func(err error) bool { _, is := errors.AsType[tooManyError](err); return is }
	for _, c := range []struct {
		name  string
		steps []step
		wrong func(error) bool // of the last step; nil is right
	}{
		{"own writes", []step{{acknowledged, 1}, {reads, 1}, {acknowledged, 2}, {reads, 2}}, nil},
		{"a stale read", []step{{acknowledged, 1}, {reads, 0}}, stale},
		{"a write that is not there", []step{{acknowledged, 1}, {acknowledged, 1}}, stale},
		{"an acknowledged write is lost, and the next one hides it", []step{{acknowledged, 1}, {acknowledged, 2}, {acknowledged, 2}}, stale},
		{"a write is made twice", []step{{acknowledged, 2}}, twice},
		{"a read shows a write too many", []step{{acknowledged, 1}, {reads, 2}}, twice},
		{"an unknown write is there", []step{{acknowledged, 1}, {unknown, 0}, {reads, 2}, {reads, 2}}, nil},
		{"an unknown write is not there", []step{{acknowledged, 1}, {unknown, 0}, {reads, 1}, {acknowledged, 2}}, nil},
		{"an unknown write comes late", []step{{acknowledged, 1}, {unknown, 0}, {reads, 1}, {reads, 2}}, nil},
		{"it goes again", []step{{acknowledged, 1}, {unknown, 0}, {reads, 2}, {reads, 1}}, stale},
		{"an unknown write is made twice", []step{{acknowledged, 1}, {unknown, 0}, {reads, 3}}, twice},
		{"a refused write is not there", []step{{acknowledged, 1}, {declined, 0}, {reads, 1}, {acknowledged, 2}}, nil},
		{"a refused write is there", []step{{acknowledged, 1}, {declined, 0}, {reads, 2}}, twice},
	} {
		var b bounds
		for i, s := range c.steps {
			var err error
			if s.do == reads {
				err = b.read(s.n)
			} else {
				err = b.write(s.do, s.n)
			}
			last := i == len(c.steps)-1
			if wrong := last && c.wrong != nil; !wrong && err != nil || wrong && !c.wrong(err) {
				t.Errorf("%s: step %d: %v", c.name, i, err)
			}
		}
	}
}

func TestCounterOf(t *testing.T) {
	t.Parallel()
	if n, err := counterOf(answer{status: 200, body: []byte(`{"n":17}`)}); n != 17 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	for _, bad := range []answer{{status: 404, body: []byte(`{"n":17}`)}, {status: 200, body: []byte(`{"m":17}`)}, {status: 200, body: []byte(`{"n":1.5}`)}} {
		if n, err := counterOf(bad); err == nil {
			t.Errorf("%s is %d", bad.body, n)
		}
	}
}

// Without a stale read among those that bring no token, the rest proves nothing.
func TestSessionsVerdict(t *testing.T) {
	t.Parallel()
	make := func() *sessionsTrial {
		return &sessionsTrial{pairs: 100,
			phases: []sessionsPhase{{near: true, replicas: 60, primary: 40, own: counts{served: 100}, later: counts{served: 50}, control: counts{served: 9, failed: 1}}}}
	}
	if err := make().verdict(); err != nil {
		t.Error(err)
	}
	for name, spoil := range map[string]func(*sessionsTrial){
		"a stale read":                 func(s *sessionsTrial) { s.phases[0].own = counts{served: 99, failed: 1} },
		"a later stale read":           func(s *sessionsTrial) { s.phases[0].later.failed = 1 },
		"no stale read without tokens": func(s *sessionsTrial) { s.phases[0].control.failed = 0 },
		"a lost write":                 func(s *sessionsTrial) { s.lost = []string{"counter 1"} },
		"a wrong write":                func(s *sessionsTrial) { s.written.failed = 1 },
		"too few pairs":                func(s *sessionsTrial) { s.phases[0].own.served = 50 },
		"most by the primary":          func(s *sessionsTrial) { s.phases[0].primary = 70 },
	} {
		s := make()
		if spoil(s); s.verdict() == nil {
			t.Errorf("%s passes", name)
		}
	}
}
