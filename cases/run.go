package cases

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/build"
	"github.com/sluiceapi/sluice/config"
	"github.com/sluiceapi/sluice/job"
	"github.com/sluiceapi/sluice/observe"
	"github.com/sluiceapi/sluice/server"
)

// Options are what cases run with.
type Options struct {
	// Kinds are what configs can name.
	Kinds []sluice.Kind
	// Lookup finds variables that the case does not set.
	Lookup func(name string) (string, bool)
	// Env are variables that hold instead of those that the case sets.
	Env map[string]string
	// Overlays are files that are laid over the config of the case, so that it is run on other backends.
	Overlays []string
	// Server is what a server needs of a config. Cases run on an address of their own, whatever it says of addresses.
	Server func(*config.File) server.Config
	// OpenRedis is that of build.Options.
	OpenRedis func(*sluice.Env, *config.Redis) (sluice.State, error)
	// OpenRecord is that of build.Options.
	OpenRecord func(*sluice.Env, *config.Jobs) (job.Record, error)
	// OpenBell is that of build.Options.
	OpenBell func(*sluice.Env, *config.Bell) (job.Bell, error)
	// Log is what the nodes log to.
	Log *slog.Logger
}

// Failure is a step whose response was not as it must be.
type Failure struct {
	Case   *Case
	Step   *Step
	Faults []string
}

func (f *Failure) Error() string {
	return fmt.Sprintf("%s:%d: %s %s\n    %s", f.Case.File, f.Step.Line, f.Step.Name, f.Step.Request.First, strings.Join(f.Faults, "\n    "))
}

// Run runs a case in a folder of its own on a free port of the loopback interface, and stops at the first step that
// fails with a *Failure. Any other error means that the case could not be run.
func (c *Case) Run(ctx context.Context, o Options) (err error) {
	dir, err := os.MkdirTemp("", "sluice-case-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if err := c.write(dir); err != nil {
		return err
	}
	r := &run{Case: c, Options: o, dir: dir, env: map[string]string{"WORK": dir}}
	defer r.stop()
	for _, name := range c.Nodes {
		address, err := r.serve([]string{filepath.Join(dir, name)})
		if err != nil {
			return err
		}
		variable := strings.ToUpper(strings.TrimSuffix(filepath.Base(name), filepath.Ext(name)))
		r.env[variable], r.env[variable+"_ADDRESS"] = "http://"+address, address
	}
	for name, value := range c.Env {
		r.env[name] = os.Expand(value, func(name string) string { return r.env[name] })
	}
	maps.Copy(r.env, o.Env)
	file := c.Config
	if file == "" {
		file = filepath.Join(dir, "sluice.yaml")
	}
	address, err := r.serve(append([]string{file}, o.Overlays...))
	if err != nil {
		return err
	}
	return r.steps(ctx, address)
}

func (c *Case) write(dir string) error {
	for _, f := range c.Files {
		name := filepath.Join(dir, f.Name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(name, f.Data, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// run is a case while it runs.
type run struct {
	*Case
	Options
	dir   string
	env   map[string]string
	stops []func()
}

func (r *run) stop() {
	for i := len(r.stops) - 1; i >= 0; i-- {
		r.stops[i]()
	}
}

func (r *run) lookup(name string) (string, bool) {
	if value, ok := r.env[name]; ok {
		return value, true
	}
	if r.Lookup == nil {
		return "", false
	}
	return r.Lookup(name)
}

// readyTime is how long a node may take to reach what it needs.
const readyTime = time.Minute

// within tells whether wait returns in time.
func within(d time.Duration, wait func()) bool {
	done := make(chan struct{})
	go func() {
		defer close(done)
		wait()
	}()
	late := time.NewTimer(d)
	defer late.Stop()
	select {
	case <-done:
		return true
	case <-late.C:
		return false
	}
}

// serve serves a config, with what is laid over it, on a free port, whatever it says of addresses, and returns the address.
func (r *run) serve(files []string) (string, error) {
	doc := config.Load(files, config.Options{Lookup: r.lookup})
	metrics := observe.NewMetrics()
	observer, err := observe.New(observe.Options{Log: r.Log, Metrics: metrics, Now: time.Now})
	if err != nil {
		return "", err
	}
	var ready sync.WaitGroup
	hold := func(string) func() {
		ready.Add(1)
		return sync.OnceFunc(ready.Done)
	}
	node, err := build.Make(doc, build.Options{Kinds: r.Kinds, Log: r.Log, Metrics: metrics, Observe: observer.Handler,
		OpenRedis: r.OpenRedis, OpenRecord: r.OpenRecord, OpenBell: r.OpenBell, Hold: hold}, nil)
	if err != nil {
		return "", fmt.Errorf("%s: %w", r.File, err)
	}
	var nodes build.Switch
	nodes.Swap(node)
	nodes.Work()
	r.stops = append(r.stops, func() {
		now, cancel := context.WithCancel(context.Background())
		cancel()
		nodes.Rest(now)
		nodes.Swap(nil)
	})
	if !within(readyTime, ready.Wait) {
		return "", fmt.Errorf("%s: the node is not ready after %s: what it needs cannot be reached", r.File, readyTime)
	}
	listen := r.Server(&doc.File)
	listen.HTTP, listen.HTTPS, listen.Drain = "127.0.0.1:0", nil, server.Drain{}
	s, err := server.New(listen, &nodes, r.Log)
	if err != nil {
		return "", err
	}
	if err := s.Listen(); err != nil {
		return "", err
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve() }()
	r.stops = append(r.stops, func() {
		const patience = 5 * time.Second
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		_ = s.Shutdown(ctx) // what is cut off here has been asked by nobody
		<-served
	})
	return s.Addrs().HTTP.String(), nil
}

func (r *run) steps(ctx context.Context, address string) error {
	client := &http.Client{
		Transport: &http.Transport{DisableCompression: true, DialContext: (&net.Dialer{}).DialContext},
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse
		},
	}
	defer client.CloseIdleConnections()
	values, token := taken{}, ""
	for i := range r.Steps {
		step := &r.Steps[i]
		for until := time.Now().Add(endTime); ; <-time.After(endPause) {
			got, err := ask(ctx, client, address, withToken(step.Request, token), values)
			if err != nil {
				return fmt.Errorf("%s:%d: %w", r.File, step.Line, err)
			}
			token = cmp.Or(got.header.Get(consistencyToken), token)
			tried := maps.Clone(values)
			faults := tried.compare(step.Response, got)
			if len(faults) == 0 {
				values = tried
				break
			}
			if !step.InTheEnd || time.Now().After(until) {
				return &Failure{Case: r.Case, Step: step, Faults: faults}
			}
		}
	}
	return nil
}

// The times of a response that need not be so at once: for it to be so, and between requests.
const (
	endTime  = 30 * time.Second
	endPause = 20 * time.Millisecond
)

const consistencyToken = "Consistency-Token"

// withToken gives back the newest consistency token that a client has, as every client should, where the case says nothing
// of it.
func withToken(m Message, token string) Message {
	if token == "" || m.Header.Get(consistencyToken) != "" {
		return m
	}
	m.Header = m.Header.Clone()
	m.Header.Set(consistencyToken, token)
	return m
}

func ask(ctx context.Context, client *http.Client, address string, m Message, values taken) (answer, error) {
	method, target, _ := strings.Cut(values.fill(m.First), " ")
	var body io.Reader
	if len(bytes.TrimSpace(m.Body)) > 0 {
		body = strings.NewReader(strings.TrimSuffix(values.fill(string(m.Body)), "\n"))
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://"+address, body)
	if err != nil {
		return answer{}, err
	}
	// The target goes out as it is written, also one that must be refused.
	req.URL.Opaque, req.URL.Path = target, ""
	if !strings.HasPrefix(target, "/") {
		req.URL.Path = target
	}
	for name, list := range m.Header {
		for _, value := range list {
			req.Header.Add(name, values.fill(value))
		}
	}
	if host := req.Header.Get("Host"); host != "" {
		req.Host = host
	}
	resp, err := client.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	return answer{status: resp.StatusCode, header: resp.Header, body: data}, err
}
