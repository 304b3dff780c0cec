package main

import (
	"errors"
	"strings"
	"testing"
	"time"
)

// trialOf is a trial of one phase with so many requests of each sort.
func trialOf() *upstreamsTrial {
	t := &upstreamsTrial{hits: newHits(1), detect: time.Second, phases: []*spell{{name: "harm", began: time.Unix(100, 0)}}}
	for range 100 {
		t.phases[0].add("GET", time.Millisecond, nil)
		t.hits.add(0, "GET", "")
	}
	t.phases[0].add("POST", 0, errors.New("lost"))
	t.phases[0].fail("POST", time.Unix(105, 0), errors.New("lost"), t.detect)
	t.hits.add(0, "POST", "a")
	return t
}

func TestUpstreamsVerdict(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*upstreamsTrial)
		want   string
	}{
		"as it should be": {func(*upstreamsTrial) {}, ""},
		"a failure at first": {func(u *upstreamsTrial) {
			u.phases[0].fail("PUT", time.Unix(100, 5e8), errors.New("cut"), u.detect)
		}, ""},
		"a failure of what was sent before": {func(u *upstreamsTrial) {
			u.phases[0].fail("GET", time.Unix(99, 0), errors.New("cut"), u.detect)
		}, ""},
		"a failure later": {func(u *upstreamsTrial) {
			u.phases[0].fail("PUT", time.Unix(102, 0), errors.New("cut"), u.detect)
		}, "failed later"},
		"a POST twice": {func(u *upstreamsTrial) { u.hits.add(0, "POST", "a") }, "more than once"},
		"too many tries": {func(u *upstreamsTrial) {
			for range 25 {
				u.hits.add(0, "GET", "")
			}
		}, "1.250 times"},
		"too many retries": {func(u *upstreamsTrial) { u.phases[0].retries = 30 }, "30 retries"},
		"no load":          {func(u *upstreamsTrial) { u.phases[0].idempotent = 0 }, "no requests"},
	} {
		u := trialOf()
		c.change(u)
		err := u.verdict()
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}
