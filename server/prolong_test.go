package server_test

import (
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/server"
	"github.com/sluiceapi/sluice/sluicetest"
)

// An exchange that is prolonged outlasts the limits of a request, and what a policy has set stays.
func TestProlong(t *testing.T) {
	t.Parallel()
	limits := server.Limits{BodyTimeout: 100 * time.Millisecond, WholeTimeout: 150 * time.Millisecond, MaxBody: 4}
	type deadlines struct{ lifted, kept time.Time }
	seen := make(chan deadlines, 1)
	address := sluicetest.ServeWith(t, server.Config{HTTP: "127.0.0.1:0", Limits: limits}, sluice.HandlerFunc(func(x *sluice.Exchange) error {
		var d deadlines
		own := x.Deadline
		x.Deadline = own.Add(-time.Millisecond)
		x.Prolong(time.Minute)
		d.kept = x.Deadline
		x.Deadline = own
		x.Prolong(time.Minute)
		d.lifted = x.Deadline
		seen <- d
		body, err := x.Request.Body.Load(100)
		if err != nil {
			return err
		}
		x.Response.Body.SetBytes(body)
		return nil
	})).HTTP.String()
	r, w := io.Pipe()
	go func() {
		io.WriteString(w, "long ")
		<-time.After(400 * time.Millisecond) // longer than each of the limits
		io.WriteString(w, "and slow")
		w.Close()
	}()
	answer, err := http.Post("http://"+address, "text/plain", r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != 200 || string(body) != "long and slow" {
		t.Errorf("%d %s %v", answer.StatusCode, body, err)
	}
	if d := <-seen; !d.lifted.IsZero() || d.kept.IsZero() {
		t.Errorf("deadlines: %+v", d)
	}
}
