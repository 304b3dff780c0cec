// Package cors lets pages of other origins call an endpoint from a browser.
package cors

import (
	"bytes"
	_ "embed"
	"strconv"
	"strings"

	"github.com/sluiceapi/sluice"
)

//go:embed config.go
var source string

// Kind is the policy `cors`.
var Kind = sluice.NewPolicy("cors", defaults(), open, sluice.Manual(source), sluice.AnswersPreflight(),
	sluice.Before("jwt", unseen), sluice.Before("api_key", unseen), sluice.Before("client_cert", unseen),
	sluice.Before("cache", "what one origin is told must not be kept for others"),
	sluice.Before("async", "the fields belong to the answer that the browser gets now"))

const unseen = "a page cannot see a refusal that comes without CORS fields"

func open(_ *sluice.Env, _ *sluice.Endpoint, c *Config) (sluice.Policy, error) {
	all, err := makeOrigins(c.Origins)
	if err != nil {
		return nil, err
	}
	rules := rules{
		origins:     all,
		methods:     makeNames(c.Methods, true),
		headers:     makeNames(c.Headers, false),
		expose:      strings.Join(c.Expose, ", "),
		credentials: c.Credentials,
		maxAge:      strconv.FormatInt(int64(c.MaxAge.Seconds()), 10),
	}
	if len(c.Methods) == 0 {
		rules.methods.everything = true
	}
	return func(next sluice.Handler) sluice.Handler { return &handler{rules: rules, next: next} }, nil
}

// rules are what Config says, ready to be asked.
type rules struct {
	origins          origins
	methods, headers names
	expose           string
	credentials      bool
	maxAge           string
}

type handler struct {
	rules
	next sluice.Handler
}

// Serve answers a preflight itself. To any other exchange it adds what the browser must know, whether there is an
// answer or an error; it does so after next, because what is set before may be taken back.
func (h *handler) Serve(x *sluice.Exchange) error {
	r := &x.Request.Header
	origin := r.Value("Origin")
	if x.Request.Method == "OPTIONS" && origin != nil && r.Has("Access-Control-Request-Method") {
		h.preflight(x, origin)
		return nil
	}
	err := h.next.Serve(x)
	answer := &x.Response.Header
	answer.DelFunc(aboutCORS)
	if !h.origins.everyone {
		vary(answer, "Origin")
	}
	if origin != nil && r.Count("Origin") == 1 && h.origins.has(origin) {
		h.allow(answer, origin)
		if h.expose != "" {
			answer.Set("Access-Control-Expose-Headers", h.expose)
		}
	}
	return err
}

// preflight answers without a word on what is allowed unless all that is asked for is.
func (h *handler) preflight(x *sluice.Exchange, origin []byte) {
	x.Clear(nil)
	x.Response.Status = 204
	answer, r := &x.Response.Header, &x.Request.Header
	answer.Add("Vary", "Origin, Access-Control-Request-Method, Access-Control-Request-Headers")
	method, fields := r.Value("Access-Control-Request-Method"), r.Value("Access-Control-Request-Headers")
	single := r.Count("Origin") == 1 && r.Count("Access-Control-Request-Method") == 1 && r.Count("Access-Control-Request-Headers") <= 1
	if !single || !h.origins.has(origin) || !h.methods.hasMethod(method) || !h.headers.hasAll(fields) {
		return
	}
	h.allow(answer, origin)
	answer.SetBytes("Access-Control-Allow-Methods", h.methods.answer(method))
	if len(fields) > 0 {
		answer.SetBytes("Access-Control-Allow-Headers", h.headers.answer(fields))
	}
	answer.Set("Access-Control-Max-Age", h.maxAge)
}

func (h *handler) allow(answer *sluice.Header, origin []byte) {
	if h.origins.everyone {
		answer.Set("Access-Control-Allow-Origin", star)
		return
	}
	answer.SetBytes("Access-Control-Allow-Origin", origin)
	if h.credentials {
		answer.Set("Access-Control-Allow-Credentials", "true")
	}
}

// aboutCORS tells whether a backend speaks of what this policy decides.
func aboutCORS(f sluice.Field) bool {
	const prefix = "access-control-"
	return len(f.Name) > len(prefix) && bytes.EqualFold(f.Name[:len(prefix)], []byte(prefix))
}

// vary adds a name to Vary unless it says that already (RFC 9110, section 12.5.5).
func vary(answer *sluice.Header, name string) {
	for _, f := range answer.Fields() {
		if bytes.EqualFold(f.Name, []byte("Vary")) && listed(f.Value, name) {
			return
		}
	}
	answer.Add("Vary", name)
}
