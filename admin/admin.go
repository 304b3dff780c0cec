// Package admin answers for a node's health, metrics and profiles, on a listener of their own.
package admin

import (
	"log/slog"
	"strings"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/observe"
)

// Options say what there is to tell.
type Options struct {
	// Log is told when metrics cannot be collected.
	Log     *slog.Logger
	Metrics *observe.Metrics
	// Health tells of the node; it is called for every request to /readyz, by many at once.
	Health func() Health
	// Guard stands around everything but /healthz and /readyz; nil lets anyone in.
	Guard sluice.Policy
	// Version is that of the program.
	Version string
}

// New makes the handler of the admin listener:
//
//	/healthz          200 while the process lives
//	/readyz           200 when requests are taken, else 503; what is known of the backends
//	/metrics          all time series, for Prometheus
//	/version          what runs
//	/debug/pprof/     profiles of the process
func New(o Options) sluice.Handler {
	a := &admin{Options: o, version: versionJSON(o.Version)}
	a.guarded = sluice.HandlerFunc(a.serveGuarded)
	if o.Guard != nil {
		a.guarded = o.Guard(a.guarded)
	}
	return a
}

type admin struct {
	Options
	guarded sluice.Handler
	version []byte
}

// Serve answers health itself and leaves the rest to what is guarded.
func (a *admin) Serve(x *sluice.Exchange) error {
	switch string(x.Request.Path) {
	case "/healthz":
		return a.get(x, a.serveAlive)
	case "/readyz":
		return a.get(x, a.serveReady)
	}
	return a.guarded.Serve(x)
}

func (a *admin) serveGuarded(x *sluice.Exchange) error {
	path := string(x.Request.Path)
	switch path {
	case "/metrics":
		return a.get(x, a.serveMetrics)
	case "/version":
		return a.get(x, a.serveVersion)
	}
	if name, found := strings.CutPrefix(path, "/debug/pprof"); found && (name == "" || name[0] == '/') {
		return a.get(x, func(x *sluice.Exchange) error { return serveProfile(x, strings.TrimPrefix(name, "/")) })
	}
	return errNotFound
}

var (
	errNotFound = &sluice.Error{Code: sluice.NotFound, Message: "want /healthz, /readyz, /metrics, /version or /debug/pprof/"}
	errMethod   = &sluice.Error{Code: sluice.MethodNotAllowed, Message: "want GET",
		Header: []sluice.Field{{Name: []byte("Allow"), Value: []byte("GET, HEAD")}}}
)

// get serves GET and HEAD, and has no answer stored.
func (a *admin) get(x *sluice.Exchange, serve sluice.HandlerFunc) error {
	if x.Request.Method != "GET" && x.Request.Method != "HEAD" {
		return errMethod
	}
	x.Response.Header.Set("Cache-Control", "no-store")
	x.Response.Header.Set("X-Content-Type-Options", "nosniff")
	return serve(x)
}
