package admin

import (
	"bytes"
	"context"
	"html"
	"io"
	"runtime"
	"runtime/pprof"
	"runtime/trace"
	"strconv"
	"time"

	"github.com/sluiceapi/sluice"
)

// maxSeconds is the longest time that the process is watched for one request.
const maxSeconds = 60

// serveProfile serves what `go tool pprof` and `go tool trace` read. CPU profiles and traces take ?seconds=N, all
// others ?debug=1 for text, and heap ?gc=1 to collect garbage before.
func serveProfile(x *sluice.Exchange, name string) error {
	if x.Request.Method != "GET" && name != "" {
		return errMethod // a HEAD would do all the work for nothing
	}
	switch name {
	case "":
		return serveProfiles(x)
	case "profile":
		return serveCPU(x)
	case "trace":
		return serveTrace(x)
	}
	return serveNamed(x, name)
}

func serveProfiles(x *sluice.Exchange) error {
	var b bytes.Buffer
	b.WriteString("<!doctype html><title>Profiles</title><h1>Profiles</h1><ul>" +
		"<li><a href=/debug/pprof/profile?seconds=10>profile</a>: the CPU, for ten seconds" +
		"<li><a href=/debug/pprof/trace?seconds=1>trace</a>: what runs when, for one second")
	for _, p := range pprof.Profiles() {
		name := html.EscapeString(p.Name())
		b.WriteString("<li><a href='/debug/pprof/" + name + "?debug=1'>" + name + "</a>: " + strconv.Itoa(p.Count()))
	}
	b.WriteString("</ul>")
	respond(x, "text/html; charset=utf-8", b.Bytes())
	return nil
}

func serveNamed(x *sluice.Exchange, name string) error {
	p := pprof.Lookup(name)
	if p == nil {
		return &sluice.Error{Code: sluice.NotFound, Message: "there is no such profile; /debug/pprof/ lists them"}
	}
	if _, count := x.Query("seconds"); count > 0 {
		return &sluice.Error{Code: sluice.BadRequest, Message: "only profile and trace take seconds"}
	}
	debug, err := number(x, "debug", 0, 2)
	if err != nil {
		return err
	}
	gc, err := number(x, "gc", 0, 1)
	if err != nil {
		return err
	}
	if gc > 0 && name == "heap" {
		runtime.GC()
	}
	var b bytes.Buffer
	if err := p.WriteTo(&b, int(debug)); err != nil {
		return err
	}
	if debug > 0 {
		respond(x, "text/plain; charset=utf-8", b.Bytes())
	} else {
		respondFile(x, name, b.Bytes())
	}
	return nil
}

func respondFile(x *sluice.Exchange, name string, body []byte) {
	x.Response.Header.Set("Content-Disposition", `attachment; filename="`+name+`"`)
	respond(x, "application/octet-stream", body)
}

// number is a parameter of the query between 0 and most, or otherwise when it is left out.
func number(x *sluice.Exchange, name string, otherwise, most float64) (float64, error) {
	text, count := x.Query(name)
	if count == 0 {
		return otherwise, nil
	}
	n, err := strconv.ParseFloat(string(text), 64)
	if err != nil || !(n >= 0 && n <= most) {
		return 0, sluice.Errorf(sluice.BadRequest, nil, "%s is not a number from 0 to %v", name, most)
	}
	return n, nil
}

func seconds(x *sluice.Exchange, otherwise float64) (time.Duration, error) {
	n, err := number(x, "seconds", otherwise, maxSeconds)
	return time.Duration(n * float64(time.Second)), err
}

// serveCPU watches until the time is over or the client leaves, and then answers.
func serveCPU(x *sluice.Exchange) error {
	d, err := seconds(x, 30)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	if err := pprof.StartCPUProfile(&b); err != nil {
		return sluice.Errorf(sluice.Conflict, err, "another CPU profile is being taken")
	}
	err = pass(x.Context(), d)
	pprof.StopCPUProfile()
	if err != nil {
		return err
	}
	respondFile(x, "profile", b.Bytes())
	return nil
}

// pass lets d pass, unless ctx ends before.
func pass(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// serveTrace streams a trace, which may be long, while it is taken.
func serveTrace(x *sluice.Exchange) error {
	d, err := seconds(x, 1)
	if err != nil {
		return err
	}
	r, w := io.Pipe()
	if err := trace.Start(w); err != nil {
		return sluice.Errorf(sluice.Conflict, err, "another trace is being taken")
	}
	ctx, cancel := context.WithCancel(x.Context())
	s := &traceStream{PipeReader: r, cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(s.done)
		why := pass(ctx, d)
		trace.Stop() // returns when the last of the trace has been read, or the reader is closed
		w.CloseWithError(why)
	}()
	x.Response.Header.Set("Content-Disposition", `attachment; filename="trace"`)
	x.Response.Header.Set("Content-Type", "application/octet-stream")
	x.Response.Body.SetStream(s, -1)
	return nil
}

// traceStream is a trace being taken.
type traceStream struct {
	*io.PipeReader
	cancel context.CancelFunc
	done   chan struct{}
}

// Close stops the trace.
func (s *traceStream) Close(why error) {
	s.PipeReader.CloseWithError(why)
	s.cancel()
	<-s.done
}
