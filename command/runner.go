package command

import (
	"context"
	"log/slog"
	"reflect"
	"sync/atomic"
	"time"

	"github.com/sluiceapi/sluice/build"
	"github.com/sluiceapi/sluice/config"
	"github.com/sluiceapi/sluice/observe"
	"github.com/sluiceapi/sluice/server"
)

// runner is a process that serves a config: a node that can be swapped, its sockets, and what is told of it.
type runner struct {
	tool     *tool
	files    []string
	log      *slog.Logger
	level    *slog.LevelVar
	metrics  *observe.Metrics
	observer *observe.Observer
	nodes    build.Switch
	server   *server.Server
	admin    *server.Server
	draining atomic.Bool
	health   health
	failed   chan error
}

// newRunner makes a runner whose logs are as the config wants them, as far as it can be read.
func (t *tool) newRunner(files []string, doc *config.Document) *runner {
	r := &runner{tool: t, files: files, level: new(slog.LevelVar), metrics: observe.NewMetrics(), failed: make(chan error, 2)}
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
	observer, err := r.newObserver(doc)
	if err != nil {
		doc.Fault("observe.traces.endpoint", err)
	}
	r.observer = observer
	node, err := build.Make(doc, r.options(observer), nil)
	if err != nil {
		return r.tool.mistakes(err)
	}
	r.nodes.Swap(node)
	r.server, err = server.New(serverConfig(&doc.File), &r.nodes, r.log)
	if err != nil {
		return failed(err)
	}
	if err := r.server.Listen(); err != nil {
		return failed(err)
	}
	if err := r.startAdmin(doc); err != nil {
		return failed(err)
	}
	r.serve(r.server)
	r.health.start(&r.nodes, r.log)
	return nil
}

// options are what nodes are made with.
func (r *runner) options(observer *observe.Observer) build.Options {
	o := build.Options{Kinds: r.tool.kinds, Log: r.log, Metrics: r.metrics, Progress: r.tool.progress(r.log), Admin: r.adminHandler}
	if observer != nil {
		o.Observe = observer.Handler
	}
	return o
}

func (r *runner) newObserver(doc *config.Document) (*observe.Observer, error) {
	c := doc.File.Observe
	o := observe.Options{Log: r.log, Metrics: r.metrics, Format: r.tool.format(doc), Now: time.Now,
		Traces: observe.Traces{Endpoint: c.Traces.Endpoint, Sample: c.Traces.Sample, Service: c.Traces.Service, Version: version()}}
	if c.AccessLog {
		o.AccessLog = r.tool.err
	}
	return observe.New(o)
}

// reload makes a node of the files as they are now and swaps it in. A mistake changes nothing. It returns the files
// to watch from now on.
func (r *runner) reload() []string {
	began := time.Now()
	doc := r.tool.load(r.files)
	old := r.nodes.Node()
	observer, changed := r.observer, !reflect.DeepEqual(doc.File.Observe, old.File().Observe)
	if changed {
		fresh, err := r.newObserver(doc)
		if err != nil {
			doc.Fault("observe.traces.endpoint", err)
		}
		observer = fresh
	}
	node, err := build.Make(doc, r.options(observer), old)
	if err == nil {
		err = r.follow(doc, node)
	}
	if err != nil {
		r.log.Error("the config is not taken; the node goes on with the one before", "error", err)
		if changed && observer != nil {
			r.closeObserver(observer)
		}
		return doc.Sources()
	}
	if changed {
		before := r.observer
		old.OnClose(func() { r.closeObserver(before) })
		r.observer = observer
		r.setLevel(doc)
	}
	r.nodes.Swap(node)
	r.log.Info("reloaded", "endpoints", len(node.Endpoints()), "took", time.Since(began).Round(time.Millisecond).String())
	return doc.Sources()
}

// follow has the sockets follow the new config before the node is swapped in; when they cannot, the node is given up.
func (r *runner) follow(doc *config.Document, node *build.Node) error {
	if err := r.server.Apply(serverConfig(&doc.File)); err != nil {
		node.Retire()
		return err
	}
	if err := r.applyAdmin(doc); err != nil {
		node.Retire()
		return err
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

// serverConfig is what the server needs of a config.
func serverConfig(f *config.File) server.Config {
	l := f.Listen
	c := server.Config{
		Limits: server.Limits{
			HeaderTimeout: l.Limits.HeaderTimeout, BodyTimeout: l.Limits.BodyTimeout, IdleTimeout: l.Limits.IdleTimeout,
			RequestTimeout: l.Limits.RequestTimeout, MaxHeader: int64(l.Limits.MaxHeader), MaxBody: int64(l.Limits.MaxBody),
			MaxStreams: l.Limits.MaxStreams,
		},
		Drain: server.Drain{Delay: l.Drain.Delay, Timeout: l.Drain.Timeout},
	}
	if l.HTTP != nil {
		c.HTTP = l.HTTP.Address
	}
	if l.HTTPS != nil {
		c.HTTPS = &server.TLS{Address: l.HTTPS.Address, ClientCA: string(l.HTTPS.ClientCA), MinVersion: l.HTTPS.MinVersion}
		for _, cert := range l.HTTPS.Certificates {
			c.HTTPS.Certificates = append(c.HTTPS.Certificates, server.Certificate{Cert: string(cert.Cert), Key: string(cert.Key)})
		}
	}
	return c
}
