// Package http answers exchanges from HTTP services: it passes the request on and the answer back.
//
// Beneath it stands an HTTP/1.1 client of its own, stricter than net/http's and without its goroutines: a message
// is parsed once, held to RFC 9112 to the letter, and streamed both ways.
package http

import (
	_ "embed"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/upstream"
)

//go:embed http.go
var source string

// Kind is the backend `http`.
var Kind = sluice.NewBackend("http", Where{
	Timeouts: Timeouts{Connect: 2 * time.Second, Header: 30 * time.Second, Tunnel: 10 * time.Minute},
	Pool:     Pool{MaxIdle: 256, IdleTimeout: 30 * time.Second},
	TLS:      TLS{MinVersion: "1.2"},
	Config:   upstream.Defaults(),
}, Use{Host: hostUpstream}, open, sluice.Manual(source), sluice.Manual(upstream.Manual))

// Where is one HTTP service, at one host or several that are equal.
//
//	backends:
//	  legacy:
//	    http:
//	      urls: ["http://legacy.internal:8000"]       # each address of the name is a host
//	      balance: round_robin
//	      health: {path: /healthz, every: 2s}
//
// A host that takes no connection is passed over for a while, and the request goes to the next one: nothing of it was
// sent. A host fails that gives no usable answer, is too late, breaks off, or answers with 502, 503 or 504.
//
// A request that meets a kept connection which the service has just closed is sent once more on a new one, when
// nothing of it was sent, or when its method is idempotent (RFC 9110, section 9.2.2) and its body is in memory, as one of
// up to 16 KiB always is. Nothing else is tried again.
//
// The service's own answer passes as it is, whatever its status. Where there is none, the client gets 502 when the
// service takes no connection, breaks one off or sends what is no HTTP; 503 when the pool is full; and 504 when the
// service does not answer in time.
type Where struct {
	// Where the service is, such as http://10.0.0.7:8000 or http://legacy.internal:8000. A path in it stands before the
	// path of every request.
	URLs []string `yaml:"urls" required:"true"`
	upstream.Config
	// Whether hosts are checked, and how. Left out they are judged by what becomes of requests alone.
	Health *Health `yaml:"health"`
	// How TLS is spoken with https addresses.
	TLS TLS `yaml:"tls"`
	// How long a request may wait for the service.
	Timeouts Timeouts `yaml:"timeouts"`
	// The connections that are kept open between requests, for each address.
	Pool Pool `yaml:"pool"`
}

// Health has every host asked at intervals. Checks have connections of their own. Requests go to the hosts that are well, or
// to all when none is.
type Health struct {
	// The path to ask for with GET: 200 to 299 is well. Left out, a host is well that takes a connection.
	Path string `yaml:"path,short"`
	upstream.Checks
}

// TLS says whom to trust and what to show. The files are read again when they change: new connections use what they
// hold then, and those that were kept are let go. A service's certificate is always verified.
type TLS struct {
	// Certificates of the authorities that are trusted, as a PEM file, instead of the system's.
	CA sluice.Path `yaml:"ca"`
	// The certificate to show to the service, as a PEM file, with those that lead to its authority.
	Cert sluice.Path `yaml:"cert"`
	// The private key of cert, as a PEM file.
	Key sluice.Path `yaml:"key"`
	// The name that the service's certificate must hold, instead of the address's host.
	ServerName string `yaml:"server_name"`
	// The lowest version of TLS that is spoken: "1.2" or "1.3".
	MinVersion string `yaml:"min_version" enum:"1.2,1.3"`
}

// given tells whether anything is said of TLS that a service without TLS would not heed.
func (t *TLS) given() bool { return t.CA != "" || t.Cert != "" || t.Key != "" || t.ServerName != "" }

// Timeouts bound what one request may take.
type Timeouts struct {
	// The time to connect, with the handshake of TLS.
	Connect time.Duration `yaml:"connect"`
	// The time from the last byte of the request to the answer's header, and the longest time in which the service
	// takes nothing of a request's body.
	Header time.Duration `yaml:"header"`
	// The time for the whole of it, to the last byte of the answer. Zero leaves it to the request's own deadline,
	// which holds in any case.
	Whole time.Duration `yaml:"whole"`
	// The longest silence in both directions of a WebSocket, and the longest of a stream of events (text/event-stream). The
	// other timeouts end when it has begun, and listen.limits.whole_timeout too.
	Tunnel time.Duration `yaml:"tunnel"`
	// The longest time that a WebSocket or a stream of events lasts. It is ended in good order then, as when the node stops
	// or has another config: a WebSocket by a frame with the status 1001 to both sides, a stream behind a whole event. Zero
	// is without limit.
	Lifetime time.Duration `yaml:"lifetime" min:"0s"`
}

// Pool says how many connections there may be.
type Pool struct {
	// The connections that are kept without a request, for each address.
	MaxIdle int `yaml:"max_idle" min:"0"`
	// How long a connection is kept without a request. It is best below the service's own time.
	IdleTimeout time.Duration `yaml:"idle_timeout"`
	// The most connections at once, for each address. A request that needs one more gets 503. Zero is without limit.
	Max int `yaml:"max" min:"0"`
}

// Use passes the requests of an endpoint on to an HTTP service. What is not said here passes as it came: method,
// path, query, fields, body and trailers. WebSockets pass too; no other upgrade does.
//
// X-Forwarded-For, X-Forwarded-Proto, X-Forwarded-Host and Forwarded tell the service of the client. What a trusted
// proxy says in them is kept; what anyone else says is thrown away.
type Use struct {
	// The name of the service under backends. It may be left out where there is only one of its kind.
	Backend string `yaml:"backend"`
	// The path to ask for, such as /users/{id}, instead of the one that came.
	Path sluice.PathTemplate `yaml:"path"`
	// The method to ask with, instead of the one that came.
	Method string `yaml:"method"`
	// The query to ask with, instead of the one that came. Names and values are escaped; a parameter whose value is
	// empty is left out.
	Query sluice.Map[sluice.Template] `yaml:"query"`
	// Fields to set in the request. One whose value is empty is removed.
	Headers sluice.Map[sluice.Template] `yaml:"headers"`
	// Whose name the service is asked by: upstream is the one in its address, pass the one that the client used.
	Host string `yaml:"host" enum:"upstream,pass"`
}

const (
	hostUpstream = "upstream"
	hostPass     = "pass"
)

// Check refuses addresses that cannot be asked and timeouts of nothing.
func (w *Where) Check() error {
	var errs []error
	for i, text := range w.URLs {
		if _, err := parseAddress(text); err != nil {
			errs = append(errs, sluice.At(fmt.Sprintf("urls[%d]", i), err))
		}
	}
	if len(w.URLs) == 0 {
		errs = append(errs, sluice.At("urls", errors.New("no address; want one or several, such as http://10.0.0.7:8000")))
	}
	errs = append(errs, w.Config.Check())
	if w.TLS.given() && !slices.ContainsFunc(w.URLs, func(text string) bool { return strings.HasPrefix(text, "https:") }) {
		errs = append(errs, sluice.At("tls", errors.New("no address speaks TLS; want one with https")))
	}
	if (w.TLS.Cert == "") != (w.TLS.Key == "") {
		errs = append(errs, sluice.At("tls", errors.New("cert and key come together")))
	}
	for _, t := range []struct {
		field string
		d     time.Duration
	}{{"connect", w.Timeouts.Connect}, {"header", w.Timeouts.Header}, {"tunnel", w.Timeouts.Tunnel}} {
		if t.d <= 0 {
			errs = append(errs, sluice.At("timeouts."+t.field, errors.New("a timeout of nothing lets nothing through; want a duration such as 5s")))
		}
	}
	if w.Pool.IdleTimeout <= 0 {
		errs = append(errs, sluice.At("pool.idle_timeout", errors.New("want a duration such as 30s; max_idle: 0 keeps no connections")))
	}
	return errors.Join(errs...)
}

// Check refuses a path that is none, and checks that find out nothing.
func (h *Health) Check() error {
	err := h.Checks.Check()
	if h.Path == "" {
		return err
	}
	if h.Path[0] != '/' || strings.ContainsFunc(h.Path, func(c rune) bool { return c <= ' ' || c >= 0x7f || c == '#' || c == '\\' }) {
		return errors.Join(err, sluice.At("path", fmt.Errorf("%q is no path of a request; want one such as /healthz, escaped", h.Path)))
	}
	return err
}

// Check refuses what would make another request than the one that is meant.
func (u *Use) Check() error {
	var errs []error
	if u.Method != "" && (!sluice.ValidFieldName([]byte(u.Method)) || u.Method == "CONNECT") {
		errs = append(errs, sluice.At("method", fmt.Errorf("%q is no method; want one such as GET or POST", u.Method)))
	}
	if i := strings.IndexFunc(u.Path.String(), func(c rune) bool { return c <= ' ' || c == 0x7f || c == '?' || c == '#' || c == '\\' }); i >= 0 {
		errs = append(errs, sluice.At("path", fmt.Errorf("%q cannot stand in a path; want it escaped, or the query under query", u.Path.String()[i:i+1])))
	}
	errs = append(errs, sluice.CheckFields("headers", u.Headers))
	for _, h := range u.Headers {
		if sluice.CheckFieldName(h.Name) == nil && roleOf([]byte(h.Name)).reserved() {
			errs = append(errs, sluice.At("headers."+h.Name, fmt.Errorf("%s is set by the proxy itself", h.Name)))
		}
	}
	return errors.Join(errs...)
}

// address is one parsed address of a service.
type address struct {
	secure bool
	// socket is host and port to connect to; name the host alone, for TLS.
	socket, name string
	port         uint16
	// authority is what stands in Host, and base the path before every path, without its last slash.
	authority, base string
}

func parseAddress(text string) (address, error) {
	u, err := url.Parse(text)
	if err != nil {
		// The error of url.Parse repeats the text, which may hold a password.
		return address{}, errors.New("not a URL; want one such as http://10.0.0.7:8000")
	}
	switch {
	case u.Scheme != "http" && u.Scheme != "https":
		return address{}, fmt.Errorf("scheme %q; want http or https", u.Scheme)
	case u.User != nil:
		return address{}, errors.New("a name or password in the address; want it in a field, under headers of the endpoint")
	case u.Hostname() == "":
		return address{}, errors.New("no host; want an address such as http://10.0.0.7:8000")
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return address{}, errors.New("a query or fragment in the address; want scheme, host, port and perhaps a path")
	}
	a := address{secure: u.Scheme == "https", name: u.Hostname(), authority: u.Host, base: strings.TrimSuffix(u.EscapedPath(), "/")}
	if a.base != "" {
		if _, _, err := sluice.Target(nil, []byte(a.base)); err != nil {
			return address{}, errors.New("its path cannot be read in one way only; want one without dot segments, empty segments and escaped slashes")
		}
	}
	port := u.Port()
	if port == "" {
		port = map[bool]string{false: "80", true: "443"}[a.secure]
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 {
		return address{}, fmt.Errorf("port %s; want one from 1 to 65535", port)
	}
	a.port, a.socket = uint16(n), net.JoinHostPort(a.name, port)
	return a, nil
}
