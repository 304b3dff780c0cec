package main

import (
	"context"
	"flag"
	"io"
	"log/slog"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"runtime"
	"sync"
	"time"
)

// serveProxy names the subcommand that is the net/http rival.
const serveProxy = "serve-reverse-proxy"

// netHTTP is a gateway of the standard library alone. bench starts itself.
type netHTTP struct {
	upstream  string
	accessLog bool
}

func (netHTTP) name() string { return "net/http" }

func (netHTTP) prepare(context.Context, *bench) (string, error) {
	return "httputil.ReverseProxy, " + runtime.Version(), nil
}

func (n netHTTP) start(b *bench, address string) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	args := []string{serveProxy, "-listen", address, "-to", "http://" + n.upstream}
	log := b.path("nethttp.log")
	if n.accessLog {
		args = append(args, "-log", log)
	}
	p, err := b.start("nethttp", b.serverCores, self, args...)
	if err != nil {
		return nil, err
	}
	p.log = log
	return p, nil
}

// runReverseProxy is the rival's own process; it ends by a signal.
func runReverseProxy(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet(serveProxy, flag.ContinueOnError)
	listen := flags.String("listen", "", "address")
	to := flags.String("to", "", "URL of the upstream")
	log := flags.String("log", "", "file for the access log")
	if err := flags.Parse(args); err != nil {
		return err
	}
	target, err := url.Parse(*to)
	if err != nil {
		return err
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	// Its 2 by default would dial anew for nearly every request.
	transport.MaxIdleConns, transport.MaxIdleConnsPerHost = 0, 1024
	var handler http.Handler = &httputil.ReverseProxy{
		Transport:  transport,
		BufferPool: &bufferPool{},
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.Out.Host = r.In.Host
			r.SetXForwarded()
		},
	}
	if *log != "" {
		file, err := os.Create(*log)
		if err != nil {
			return err
		}
		defer file.Close()
		handler = accessLogged(handler, file)
	}
	return serve(ctx, *listen, handler)
}

// serve serves until the context ends.
func serve(ctx context.Context, address string, handler http.Handler) error {
	server := &http.Server{Addr: address, Handler: handler, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: time.Hour}
	stop := context.AfterFunc(ctx, func() { server.Close() })
	defer stop()
	return server.ListenAndServe()
}

// accessLogged writes a line for each request with log/slog.
func accessLogged(next http.Handler, to io.Writer) http.Handler {
	logger := slog.New(slog.NewJSONHandler(to, nil))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		begin := time.Now()
		counted := &countedWriter{ResponseWriter: w, status: http.StatusOK}
		next.ServeHTTP(counted, r)
		logger.LogAttrs(r.Context(), slog.LevelInfo, "request",
			slog.String("client", r.RemoteAddr),
			slog.String("method", r.Method),
			slog.String("uri", r.RequestURI),
			slog.Int("status", counted.status),
			slog.Int64("bytes", counted.bytes),
			slog.Duration("duration", time.Since(begin)))
	})
}

type countedWriter struct {
	http.ResponseWriter
	status int
	bytes  int64
}

func (w *countedWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *countedWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

func (w *countedWriter) Write(p []byte) (int, error) {
	n, err := w.ResponseWriter.Write(p)
	w.bytes += int64(n)
	return n, err
}

// bufferPool saves 32 KiB of garbage per request, without which the collector
// takes a third of this rival's time.
type bufferPool struct{ pool sync.Pool }

func (b *bufferPool) Get() []byte {
	if buffer, ok := b.pool.Get().(*[]byte); ok {
		return *buffer
	}
	return make([]byte, 32<<10)
}

func (b *bufferPool) Put(buffer []byte) { b.pool.Put(&buffer) }
