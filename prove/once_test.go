package main

import (
	"strings"
	"testing"
	"time"
)

func TestOnce(t *testing.T) {
	t.Parallel()
	l := &onceLedger{}
	for _, o := range []outcome{acknowledged, declined, unknown, unknown} {
		l.end(l.begin(), o)
	}
	for _, c := range []struct {
		name  string
		found map[int]int
		want  string // in the fault; "" is none
	}{
		{"all is as told", map[int]int{0: 1, 3: 1}, ""},
		{"an acknowledged one is lost", map[int]int{}, "write 0 was answered with success and is not there"},
		{"one is there twice", map[int]int{0: 2}, "write 0 is there 2 times"},
		{"an unknown one is there twice", map[int]int{0: 1, 2: 2}, "write 2 is there 2 times"},
		{"a refused one is there", map[int]int{0: 1, 1: 1}, "write 1 was refused with leave to try again, and is there"},
		{"one was never sent", map[int]int{0: 1, 4: 1}, "write 4 was never sent and is there"},
	} {
		got := l.count(c.found)
		err := got.verdict()
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v; want %q", c.name, err, c.want)
		}
	}
	if c := l.count(map[int]int{0: 1, 3: 1}); c.acknowledged != 1 || c.refused != 1 || c.unknown != 2 || c.unknownThere != 1 {
		t.Errorf("got %+v", c)
	}
}

func TestResumed(t *testing.T) {
	t.Parallel()
	l := &onceLedger{}
	l.end(l.begin(), acknowledged)
	l.lookFrom()
	moment := time.Now()
	l.end(l.begin(), declined)
	if _, _, ok := l.resumed(); ok {
		t.Error("a refusal counts")
	}
	l.end(l.begin(), acknowledged)
	after, pause, ok := l.resumed()
	if !ok || after <= 0 || pause < after {
		t.Errorf("after %v, without for %v, %v", after, pause, ok)
	}
	if told, late := l.strays(map[int]int{0: 1, 1: 1, 2: 1}, moment); told != 2 || late != 2 {
		t.Errorf("%d acknowledged and %d late, want 2 and 2", told, late)
	}
}

func TestOutcomeOf(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		status int
		retry  string
		want   outcome
		fails  bool
	}{{200, "", acknowledged, false}, {204, "", acknowledged, false}, {503, "1", declined, false}, {503, "", unknown, false},
		{504, "", unknown, false}, {500, "", unknown, true}, {429, "1", unknown, true}} {
		a := answer{status: c.status, header: map[string][]string{}}
		if c.retry != "" {
			a.header.Set("Retry-After", c.retry)
		}
		if got, err := outcomeOf(a, nil); got != c.want || (err != nil) != c.fails {
			t.Errorf("%d: %v, %v", c.status, got, err)
		}
	}
}
