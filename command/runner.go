package command

import (
	"context"
	"errors"
	"log/slog"
	"reflect"
	"sync/atomic"
	"time"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/build"
	"github.com/sluiceapi/sluice/config"
	"github.com/sluiceapi/sluice/observe"
	"github.com/sluiceapi/sluice/server"
)

// runner is a process that serves a config: a node that can be swapped, its sockets, and what is told of it.
type runner struct {
	tool     *tool
	roles    roles
	files    []string
	sources  []string // what was read last
	log      *slog.Logger
	level    *slog.LevelVar
	metrics  *observe.Metrics
	observer *observe.Observer
	nodes    build.Switch
	server   *server.Server
	admin    *server.Server
	draining atomic.Bool
	health   health
	holds    holds
	bulletin bulletin
	failed   chan error
}

// newRunner makes a runner whose logs are as the config wants them, as far as it can be read.
func (t *tool) newRunner(files []string, as roles, doc *config.Document) *runner {
	r := &runner{tool: t, roles: as, files: files, level: new(slog.LevelVar), metrics: observe.NewMetrics(), failed: make(chan error, 2)}
	r.setLevel(doc)
	r.log = observe.NewLogger(t.err, t.format(doc), r.level)
	return r
}

func (t *tool) format(doc *config.Document) observe.Format {
	switch {
	case doc.File.Observe.LogFormat == "text", doc.File.Observe.LogFormat == "" && t.terminal:
		return observe.Text
	}
	return observe.JSON
}

func (r *runner) setLevel(doc *config.Document) {
	var level slog.Level
	if level.UnmarshalText([]byte(doc.File.Observe.LogLevel)) == nil {
		r.level.Set(level)
	}
}

// start makes the first node and binds its sockets.
func (r *runner) start(doc *config.Document) error {
	r.sources = doc.Sources()
	node, err := r.make(doc, nil)
	if err != nil {
		return r.tool.mistakes(err)
	}
	r.nodes.Swap(node)
	r.server, err = server.New(r.serverConfig(&doc.File), &r.nodes, r.log)
	if err != nil {
		return failed(err)
	}
	if err := r.server.Listen(); err != nil {
		return failed(err)
	}
	if err := r.applyAdmin(&doc.File); err != nil {
		return failed(err)
	}
	r.serve(r.server)
	r.health.start(&r.nodes, r.log)
	if r.roles.worker {
		r.nodes.Work()
	}
	return nil
}

// make makes a node, with an observer of its own where the one of the node before does not fit it.
func (r *runner) make(doc *config.Document, before *build.Node) (*build.Node, error) {
	observer := r.observer
	fits := before != nil && reflect.DeepEqual(doc.File.Observe, before.File().Observe)
	if !fits {
		fresh, err := r.newObserver(doc)
		if err != nil {
			// Only a bad endpoint of traces makes it fail, which is a mistake that is found below.
			fresh, err = observe.New(observe.Options{Log: r.log, Metrics: r.metrics, Now: sluice.NewClock()})
		}
		if err != nil {
			return nil, err
		}
		observer = fresh
	}
	node, err := r.tool.make(doc, build.Options{Log: r.log, Metrics: r.metrics, Progress: r.tool.progress(r.log),
		Admin: r.adminHandler, Observe: observer.Handler, ObserveWork: observer.Work, Hold: r.hold, Readiness: r.readiness}, before)
	if err == nil && before != nil {
		err = r.follow(&doc.File, before.File())
	}
	switch {
	case fits:
	case err != nil:
		r.closeObserver(observer)
	default:
		if last := r.observer; before != nil {
			before.OnClose(func() { r.closeObserver(last) })
		}
		r.observer = observer
		r.setLevel(doc)
	}
	if err != nil && node != nil {
		node.Retire()
		node = nil
	}
	return node, err
}

func (r *runner) newObserver(doc *config.Document) (*observe.Observer, error) {
	o := observe.Options{Log: r.log, Metrics: r.metrics, Format: r.tool.format(doc), Now: sluice.NewClock(), Traces: traceOptions(doc)}
	if doc.File.Observe.AccessLog {
		o.AccessLog = r.tool.err
	}
	return observe.New(o)
}

// reload makes a node of the files as they are now and swaps it in. A mistake changes nothing. It returns what was
// read, to be watched from now on.
func (r *runner) reload() reading {
	began := time.Now()
	before := stateOf(r.sources)
	doc := r.tool.load(r.files)
	r.sources = doc.Sources()
	node, err := r.make(doc, r.nodes.Node())
	if err != nil {
		r.log.Error("the config is not taken; the node goes on with the one before", "error", err)
		return reading{r.sources, before}
	}
	r.nodes.Swap(node)
	r.server.Renew()
	r.log.Info("reloaded", "endpoints", len(node.Endpoints()), "took", time.Since(began))
	return reading{r.sources, before}
}

// follow has the sockets follow a new config before its node is swapped in, all or none.
func (r *runner) follow(next, before *config.File) error {
	if err := r.applyAdmin(next); err != nil {
		return err
	}
	if err := r.server.Apply(r.serverConfig(next)); err != nil {
		return errors.Join(err, r.applyAdmin(before))
	}
	return nil
}

func (r *runner) closeObserver(o *observe.Observer) {
	const patience = 5 * time.Second
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := o.Close(ctx); err != nil {
		r.log.Warn("what was observed last is lost", "error", err)
	}
}

// close lets go of everything after the last exchange.
func (r *runner) close() {
	r.health.stop()
	r.abandon()
	r.nodes.Swap(nil)
	if r.observer != nil {
		r.closeObserver(r.observer)
	}
}

func (r *runner) addresses() addresses {
	var a addresses
	at := r.server.Addrs()
	if at.HTTP != nil {
		a.HTTP = at.HTTP.String()
	}
	if at.HTTPS != nil {
		a.HTTPS = at.HTTPS.String()
	}
	if r.admin != nil {
		a.Admin = r.admin.Addrs().HTTP.String()
	}
	return a
}

// serverConfig is what this process serves of a config: nothing where it only works.
func (r *runner) serverConfig(f *config.File) server.Config {
	c := serverConfig(f)
	if !r.roles.api {
		c.HTTP, c.HTTPS, c.Drain.Delay = "", nil, 0
	}
	return c
}

// serverConfig is what the server needs of a config.
func serverConfig(f *config.File) server.Config {
	l := f.Listen
	c := server.Config{
		Limits: server.Limits{
			HeaderTimeout: l.Limits.HeaderTimeout, BodyTimeout: l.Limits.BodyTimeout, IdleTimeout: l.Limits.IdleTimeout,
			WholeTimeout: l.Limits.WholeTimeout, MaxHeader: int64(l.Limits.MaxHeader), MaxBody: int64(l.Limits.MaxBody),
			MaxStreams: l.Limits.MaxStreams,
		},
		Drain: server.Drain{Delay: l.Drain.Delay, Timeout: l.Drain.Timeout},
	}
	if l.HTTP != nil {
		c.HTTP = l.HTTP.Address
	}
	if l.HTTPS != nil {
		c.HTTPS = &server.TLS{Address: l.HTTPS.Address, ClientCA: string(l.HTTPS.ClientCA),
			ClientOptional: l.HTTPS.ClientCertificates == "optional", MinVersion: l.HTTPS.MinVersion}
		for _, cert := range l.HTTPS.Certificates {
			c.HTTPS.Certificates = append(c.HTTPS.Certificates, server.Certificate{Cert: string(cert.Cert), Key: string(cert.Key)})
		}
	}
	return c
}
