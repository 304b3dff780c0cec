// Package invalidate ends cached answers when what they are made of has changed.
package invalidate

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/tag"
)

//go:embed invalidate.go
var source string

// Kind is the policy `invalidate`.
var Kind = sluice.NewPolicy("invalidate", Config{}, open, sluice.Manual(source),
	sluice.After("async", "answers must be ended when the write is done, not when it is accepted"))

// Config ends all cached answers of tags after a write, on every node: see `tags` of `cache`.
//
// It acts when a request with an unsafe method (any but GET, HEAD, OPTIONS and TRACE) has succeeded, that is with a
// status below 400, and also when it failed in a way that does not tell whether the write was done: with a status of 500
// or more, or because the client left. The tags are ended before the answer goes out. From then on no node serves what
// was kept before for longer than 100 ms, also when a notice is lost; and a caller that sends back the
// Consistency-Token of the answer is not served it at all.
//
// When Redis cannot be reached, the write has happened all the same, so it is answered as usual. The tags are ended as
// soon as Redis is there again; until then this node serves nothing that is kept under them, while other nodes that can
// reach Redis may. Such a delay is logged and counted, and an end of the process makes it a loss, which is logged too.
//
//	endpoints:
//	  update_product:
//	    route: PUT /api/products/{id}
//	    policies:
//	      - invalidate: {tags: ["product:{id}", products]}
type Config struct {
	// The tags whose answers are ended, up to 16. A reference that the request brings no value for makes the tag
	// without it.
	Tags []sluice.Template `yaml:"tags" required:"true"`
}

const maxTags = 16

// Check refuses tags that are none.
func (c *Config) Check() error {
	var errs []error
	if len(c.Tags) > maxTags {
		errs = append(errs, sluice.At("tags", fmt.Errorf("%d tags; want no more than %d", len(c.Tags), maxTags)))
	}
	for i := range c.Tags {
		if c.Tags[i].IsZero() {
			errs = append(errs, sluice.At(fmt.Sprintf("tags[%d]", i), errors.New("an empty tag; want text such as product:{id}")))
		}
	}
	return errors.Join(errs...)
}

// NodeBound tells that tags must be ended on all nodes.
func (c *Config) NodeBound() string {
	return "a purge of a tag must reach the caches of all nodes; want state.redis"
}

func open(env *sluice.Env, ep *sluice.Endpoint, c *Config) (sluice.Policy, error) {
	if ep == nil {
		return nil, errors.New("it ends what an endpoint has changed; want it among the policies of that endpoint")
	}
	tags, err := tag.Open(env)
	if err != nil {
		return nil, err
	}
	return func(next sluice.Handler) sluice.Handler {
		return &handler{names: c.Tags, tags: tags, log: env.Log, endpoint: ep.Name, next: next}
	}, nil
}

type handler struct {
	names    []sluice.Template
	tags     *tag.Tags
	log      *slog.Logger
	endpoint string
	next     sluice.Handler
}

// patience is how long the answer of a write waits for the store, whatever its client does meanwhile.
const patience = time.Second

// Serve purges after a write. The names are made before it, while all that they are made of is sure to be there.
func (h *handler) Serve(x *sluice.Exchange) error {
	switch x.Request.Method {
	case "GET", "HEAD", "OPTIONS", "TRACE":
		return h.next.Serve(x)
	}
	names := make([]string, 0, len(h.names))
	for i := range h.names {
		if name := h.names[i].Append(nil, x); len(name) > 0 {
			names = append(names, string(name))
		}
	}
	returned := false
	defer func() {
		if !returned { // after a panic nobody can tell whether the write was done
			h.purge(x, names)
		}
	}()
	err := h.next.Serve(x)
	if returned = true; mayHaveWritten(x, err) {
		h.purge(x, names)
	}
	return err
}

func (h *handler) purge(x *sluice.Exchange, names []string) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	v, failed := h.tags.Purge(ctx, names, x.Seen.Floors())
	if failed != nil {
		h.log.Error("a purge waits for the store", "endpoint", h.endpoint, "tags", names, "error", failed)
		return
	}
	x.Seen.Advance(v)
}

// mayHaveWritten tells whether the data may be other than before.
func mayHaveWritten(x *sluice.Exchange, err error) bool {
	status := x.Response.Status
	if err != nil {
		e := sluice.ErrorOf(err)
		if e.Code == sluice.ClientLeft {
			return true
		}
		status = e.Code.Status()
	}
	return status < 400 || status >= 500
}
