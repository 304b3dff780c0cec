// Package battery holds a server of HTTP/1.1 to the grammar of RFC 9112 and to the rules that Sluice adds to it: one
// case per rule, each with the answer that the rule demands.
//
// A case is sent whole, in two pieces split at every byte, and before a second request: that one must be answered
// behind a request that is in order, and never behind one that was refused, whose end nobody can be sure of. The
// package knows no more of a server than its address and what it answers, so programs use it too.
//
// Where a case goes, for a server (Target, in this file):
//
//	line.go message.go framing.go   what requests are in order, and what is refused: lines and fields; targets, sizes and
//	                                what a request says of its connection; lengths, chunks and trailers
//	octet.go                        every octet at every kind of position
//	dialogue.go slow.go pipeline.go clients that wait, that are slow, and that send many requests in a row
//	h1spec.go                       the cases of another suite
//	marks.go                        what net/http is known to answer otherwise
//	oracle.go                       what net/http reads, to hold a fuzzed reader to
//	run.go                          how cases are sent
//
// And for a node before a service (Proxy, in proxy.go, with its service in origin.go):
//
//	forward.go answers.go           what must pass: requests, and answers
//	refusal.go                      requests that must not reach the service
//	hostile_answers.go              answers that must not reach the client
//	downgrade.go                    requests of HTTP/2, as the service gets them in HTTP/1.1
//	wire.go                         messages as they stood on the wire
package battery

import (
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// Target is a server to hold to the cases. It answers every request with 200 and Seen.Echo of what it has read.
type Target struct {
	// Address is host and port.
	Address string
	// TLS is what a client needs to be let in; nil without TLS.
	TLS *tls.Config
	// NetHTTP tells that the server reads HTTP/1.1 with net/http, which is laxer, or stricter, in the cases that
	// are marked so. They are sent too, and it is a fault when net/http has come to keep them.
	NetHTTP bool
	// MaxHeader and MaxBody are the server's bounds in bytes, of a request's header and of its body. Both are known
	// to the server, and MaxHeader is 8 KiB at least.
	MaxHeader, MaxBody int64
	// Hasty is the address of the same server with bounds for the time of a header, of a body's next byte and of an
	// idle connection that are over within a second or two. Empty leaves out what is about them.
	Hasty string
	// Splits is at how many places a case is split at most; zero is at every byte.
	Splits int
	// Patience is how long an answer may take to come; zero is 20 seconds.
	Patience time.Duration

	few bool // leaves out the cases of every octet
}

// Report is what came of a run.
type Report struct {
	// Cases is how many there were, Sent how many times one was sent, in one way or another.
	Cases, Sent int
	// Marked is how many cases net/http is known to answer otherwise.
	Marked int
	// Faults are the cases that were not answered as they must be, at most one fault for each.
	Faults []Fault
}

// Fault is a case that was not answered as it must be.
type Fault struct {
	// Case is its group and name, Way how it was sent.
	Case, Way string
	// Sent is the request, Got what came and Want what must come.
	Sent, Got, Want string
	// Taken tells that a request which is to be refused was answered with 200.
	Taken bool
}

func (f Fault) String() string {
	return fmt.Sprintf("%s (%s): got %s; want %s; sent %.300q", f.Case, f.Way, f.Got, f.Want, f.Sent)
}

// Case is one rule: a request and the answer that the rule demands.
type Case struct {
	// Name is the group's, with the section of the RFC, and the case's own.
	Name string
	// Text is what is sent.
	Text string
	Want Want
	// Mark says why net/http answers otherwise; empty when it does not.
	Mark string
	// drip has bytes go on coming, slowly, where the text ends.
	drip bool
	// once leaves out the splits: of the cases for each octet there are many, all alike.
	once bool
}

// Refused tells whether the request is to be refused.
func (c Case) Refused() bool { return !slices.Contains(c.Want.status, 200) }

// Want is an answer.
type Want struct {
	status []int
	then   then
	echo   string // what the answer's body must be; empty is anything
}

// then is what becomes of the connection.
type then int

const (
	// kept is a connection that serves the next request.
	kept then = iota
	// closed is one answer that says so, and then the end.
	closed
	// either is kept or closed, as the answer says.
	either
	// ended is the end, with or without an answer before it.
	ended
)

// The answers that most cases want.
var (
	answered = Want{status: []int{200}}
	leaves   = Want{status: []int{200}, then: closed}
	refused  = Want{status: []int{400}, then: closed}
	// bad is for what is wrong with a request whose end is not in doubt.
	bad = Want{status: []int{400}, then: either}
	// unknown is for what the server does not know: a coding, a version.
	unknown = Want{status: []int{400, 501, 505}, then: closed}
	// lenient is for what RFC 9112 lets a server take or refuse.
	lenient = Want{status: []int{200, 400}, then: either}
	// cut is for what does not come whole: whatever is answered, it does not say that all is well.
	cut = Want{status: []int{400, 408}, then: ended}
)

// reads wants 200 and that body.
func reads(echo string) Want { return Want{status: []int{200}, echo: echo} }

func (w Want) String() string {
	var codes []string
	for _, s := range w.status {
		codes = append(codes, fmt.Sprint(s))
	}
	text := strings.Join(codes, " or ") + [...]string{" and the connection kept", " with Connection: close, and the connection closed",
		", and the connection closed only when the answer says so", " or nothing, and the connection closed"}[w.then]
	if w.echo != "" {
		text += fmt.Sprintf(", and the body %.200q", w.echo)
	}
	return text
}

// Seen is a request as a server has read it.
type Seen struct {
	// Method and Host are as they came, Target is path and query.
	Method, Host, Target string
	// X are the values of the fields X, T those of the trailer fields T.
	X, T []string
	Body []byte
}

// Echo is the body of the answer to it.
func (s Seen) Echo() string {
	return fmt.Sprintf("%s %s %s [%s] [%s] %s", s.Method, s.Host, s.Target, strings.Join(s.X, "|"), strings.Join(s.T, "|"), s.Body)
}

// Cases are all cases for a target, of all productions of the grammar. Those of every octet are left out with TLS, where
// each costs a handshake: what is within is read alike.
func (t *Target) Cases() []Case {
	all := slices.Concat(requestLines(), lineEnds(), fields(), hosts(), lengths(), encodings(), chunks(), trailers(), persistence(),
		t.targets(), options(), t.sizes(), cuts())
	if t.TLS == nil && !t.few {
		all = append(all, octets()...)
	}
	return all
}

// atOnce is how many connections a run has at once.
const atOnce = 48

// Run sends every case in every way. It returns early, with what it has, when ctx ends.
func (t *Target) Run(ctx context.Context) *Report {
	cases := t.Cases()
	r := &run{target: t, ctx: ctx, slots: make(chan struct{}, atOnce)}
	r.report.Cases = len(cases)
	var all sync.WaitGroup
	for _, c := range cases {
		if !r.acquire() {
			break
		}
		all.Go(func() { r.one(c) })
	}
	for _, d := range dialogues() {
		if !r.more(&all, func() { r.talk(d) }) {
			break
		}
	}
	for i, p := range t.pipelines() {
		row := func() {
			if f := r.row(i, p); f != nil {
				r.fault(*f)
			}
		}
		if !r.more(&all, row) {
			break
		}
	}
	if t.Hasty != "" {
		late := slow()
		r.mu.Lock()
		r.report.Cases += len(late)
		r.mu.Unlock()
		for _, c := range late {
			all.Go(func() { r.late(c) })
		}
	}
	all.Wait()
	slices.SortFunc(r.report.Faults, func(a, b Fault) int { return cmp.Compare(a.Case, b.Case) })
	return &r.report
}
