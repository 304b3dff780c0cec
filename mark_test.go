package sluice

import (
	"errors"
	"testing"
	"time"
)

// noted is a stream that notes why it was closed.
type noted struct{ why error }

func (*noted) Read([]byte) (int, error) { return 0, errors.New("not read") }
func (n *noted) Close(why error)        { n.why = why }

func TestAgain(t *testing.T) {
	t.Parallel()
	x := NewExchange(nil)
	deadline := time.Unix(1000, 0)
	x.Deadline = deadline
	x.Request.Header.Add("X-Kept", "a")
	x.Response.Header.CopyField([]byte("X-Early"), []byte("b"))
	var m Mark
	for range 3 { // a mark holds for every try
		x.Mark(&m)
		x.Deadline = time.Unix(500, 0)
		x.Request.Header.Set("X-Kept", "changed")
		x.Request.Header.Add("X-Below", "c")
		s := &noted{}
		r := &x.Response
		r.Status = 503
		r.Header.Set("X-Early", "changed")
		r.Header.CopyField([]byte("X-Answer"), []byte("something long that needs memory of its own"))
		r.Trailer.Add("X-Trailer", "d")
		r.Body.SetStream(s, -1)
		x.SetResult(1, []byte("{}"))
		x.Tried.Add(7)
		why := errors.New("once more")
		x.Again(&m, why)
		if !errors.Is(s.why, why) {
			t.Errorf("the stream was closed with %v", s.why)
		}
		if r.Status != 0 || r.Trailer.Len() != 0 || r.Body.Len() != 0 || x.Result(1) != nil {
			t.Errorf("left of the response: %+v, result %s", r, x.Result(1))
		}
		if r.Header.Len() != 1 || string(r.Header.Value("X-Early")) != "b" {
			t.Errorf("the response has %s", r.Header.Fields())
		}
		if h := &x.Request.Header; h.Len() != 1 || string(h.Value("X-Kept")) != "a" {
			t.Errorf("the request has %s", h.Fields())
		}
		if !x.Deadline.Equal(deadline) || !x.Tried.Before(7) && !x.Tried.Now(7) {
			t.Errorf("deadline %s, tried %v", x.Deadline, x.Tried)
		}
	}
	m.Reset()
	if len(m.request)+len(m.response) != 0 || !m.deadline.IsZero() {
		t.Errorf("a mark that was reset holds %+v", m)
	}
}
