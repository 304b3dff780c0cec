package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/sluiceapi/sluice/sluicetest/battery"
)

// httpTrial is the claim: what a node reads and writes is HTTP to the letter.
type httpTrial struct {
	*stage
	netHTTP bool
	each    int // slow connections of a sort
	service *seenService
	rows    []httpRow
}

// httpRow is what came of one part.
type httpRow struct {
	name       string
	cases, bad int
	note       string
	faults     []string
}

// Bounds of the nodes. The hasty one is for what is slow.
const (
	httpMaxHeader     = 8 << 10
	httpMaxBody       = 64 << 10
	hastyTime         = 3 * time.Second
	hastyWhole        = 6 * time.Second
	fewestH2Cases     = 140
	fewestSocketCases = 25
)

func proveHTTP(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("prove http", flag.ContinueOnError)
	netHTTP := flags.Bool("nethttp", false, "the node reads HTTP/1.1 with net/http, which answers some cases otherwise: those are marked, and left out")
	each := flags.Int("connections", 400, "slow connections of each sort")
	only := flags.String("only", "", "the one part to run: battery, passing, h1spec, h2spec, slow, websocket or rivals")
	rivals := flags.Bool("rivals", false, "send the battery to nginx and HAProxy too, where they are installed")
	if err := flags.Parse(args); err != nil {
		return err
	}
	s, err := newStage(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	t := &httpTrial{stage: s, netHTTP: *netHTTP, each: *each}
	if t.service, err = startSeenService(); err != nil {
		return err
	}
	defer t.service.close()
	for _, part := range []struct {
		name string
		run  func(context.Context) error
	}{{"battery", t.battery}, {"passing", t.passing}, {"h1spec", t.h1spec}, {"h2spec", t.h2spec}, {"slow", t.slow}, {"websocket", t.websocket}, {"rivals", t.rivals}} {
		if *only != "" && *only != part.name || part.name == "rivals" && !*rivals && *only == "" {
			continue
		}
		progress(part.name)
		if err := part.run(ctx); err != nil {
			return fmt.Errorf("%s: %w", part.name, err)
		}
	}
	return t.verdict()
}

// verdict prints the table, and what was not as it must be.
func (t *httpTrial) verdict() error {
	bad := 0
	fmt.Printf("\n%-34s  %6s  %10s\n", "", "cases", "unexpected")
	for _, r := range t.rows {
		bad += r.bad
		fmt.Printf("%-34s  %6d  %10d  %s\n", r.name, r.cases, r.bad, r.note)
	}
	for _, r := range t.rows {
		const most = 25
		for i, fault := range r.faults {
			if i == most {
				fmt.Printf("%s: and %d more\n", r.name, len(r.faults)-most)
				break
			}
			fmt.Printf("%s: %s\n", r.name, fault)
		}
	}
	if bad > 0 {
		return fmt.Errorf("%d answers are not as they must be", bad)
	}
	return nil
}

// note adds a report of the battery to the table.
func (t *httpTrial) note(name string, r *battery.Report) {
	row := httpRow{name: name, cases: r.Cases, bad: len(r.Faults), note: fmt.Sprintf("sent %d times", r.Sent)}
	if r.Marked > 0 {
		row.note += fmt.Sprintf("; %d are answered otherwise by net/http", r.Marked)
	}
	for _, f := range r.Faults {
		row.faults = append(row.faults, f.String())
	}
	t.rows = append(t.rows, row)
}

// listening is the head of a config: where a node listens, and its bounds.
func listening(header, body, idle, whole time.Duration) string {
	return fmt.Sprintf(`sluice: 1
listen:
  http: 127.0.0.1:0
  admin: 127.0.0.1:0
  limits: {max_header: %dB, max_body: %dB, header_timeout: %s, body_timeout: %s, idle_timeout: %s, whole_timeout: %s}
observe: {access_log: false}
`, httpMaxHeader, httpMaxBody, header, body, idle, whole)
}

// before is a node with that head before the service.
func (t *httpTrial) before(ctx context.Context, name, head string) (*node, error) {
	path, err := t.write(name+".yaml", head+strings.TrimPrefix(battery.ProxyConfig(t.service.address), "sluice: 1\n"))
	if err != nil {
		return nil, err
	}
	return t.start(ctx, path)
}

// battery sends the cases of the grammar to a node before a service that tells what it has read.
func (t *httpTrial) battery(ctx context.Context) error {
	patient, err := t.before(ctx, "patient", listening(time.Minute, time.Minute, time.Minute, time.Minute))
	if err != nil {
		return err
	}
	defer patient.kill()
	hasty, err := t.before(ctx, "hasty", listening(time.Second, time.Second, time.Second, time.Minute))
	if err != nil {
		return err
	}
	defer hasty.kill()
	target := &battery.Target{Address: patient.http, NetHTTP: t.netHTTP, MaxHeader: httpMaxHeader, MaxBody: httpMaxBody, Hasty: hasty.http}
	t.note("battery", target.Run(ctx))
	return ctx.Err()
}

// passing compares what passes through a node, both ways, and sends it answers that are no HTTP.
func (t *httpTrial) passing(ctx context.Context) error {
	origin, err := battery.NewOrigin()
	if err != nil {
		return err
	}
	defer origin.Close()
	head := listening(time.Minute, time.Minute, time.Minute, time.Minute)
	path, err := t.write("passing.yaml", head+strings.TrimPrefix(battery.ProxyConfig(origin.Address()), "sluice: 1\n"))
	if err != nil {
		return err
	}
	n, err := t.start(ctx, path)
	if err != nil {
		return err
	}
	defer n.kill()
	p := &battery.Proxy{Address: n.http, Origin: origin, NetHTTP: t.netHTTP}
	t.note("requests that pass", p.Forward(ctx))
	t.note("answers that pass", p.Backward(ctx))
	t.note("refusals, at the service", p.Refusals(ctx))
	t.note("HTTP/2 that passes", p.Downgrade(ctx))
	t.note("hostile answers", p.Hostile(ctx))
	return ctx.Err()
}

// h1spec sends the cases of h1spec.
func (t *httpTrial) h1spec(ctx context.Context) error {
	n, err := t.before(ctx, "h1spec", listening(time.Minute, time.Minute, time.Minute, time.Minute))
	if err != nil {
		return err
	}
	defer n.kill()
	target := &battery.Target{Address: n.http, NetHTTP: t.netHTTP}
	t.note("h1spec", target.Classes(ctx))
	return ctx.Err()
}

// seenService is a service on net/http, within this process, that answers with what it has read.
type seenService struct {
	server  *http.Server
	address string
	done    chan struct{}
}

func startSeenService() (*seenService, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	s := &seenService{address: listener.Addr().String(), done: make(chan struct{}), server: &http.Server{
		Handler: http.HandlerFunc(tellSeen), Protocols: &protocols, IdleTimeout: time.Hour, ErrorLog: silent()}}
	go func() {
		defer close(s.done)
		if err := s.server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			progress("the service ended: " + err.Error())
		}
	}()
	return s, nil
}

func (s *seenService) close() {
	s.server.Close()
	<-s.done
}

func tellSeen(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	seen := battery.Seen{Method: r.Method, Host: r.Host, Target: r.RequestURI, X: r.Header["X"], T: r.Trailer["T"], Body: body}
	io.WriteString(w, seen.Echo())
}
