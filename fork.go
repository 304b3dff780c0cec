package sluice

import (
	"context"
	"slices"
)

// Fork makes an exchange with what x brought and what was made of it, for one goroutine of several that answer parts of
// x at once. It borrows from x, which must not change, and not end, while forks are used. The request is only for
// reading, but the fork's header can be replaced; the response is the fork's own, and is forgotten with it. Its context is
// ctx, or ends with it where the fork has a deadline of its own. Where its handler may use OnEnd, as any backend may, End it
// after the last use of what it has made.
func (x *Exchange) Fork(ctx context.Context) *Exchange {
	f := NewExchange(nil)
	f.Endpoint, f.Route, f.Request, f.Caller, f.Start, f.Deadline = x.Endpoint, x.Route, x.Request, x.Caller, x.Start, x.Deadline
	f.Request.Header = x.Request.Header.fork()
	f.Request.Trailer = x.Request.Trailer.fork()
	f.Request.Body = Body{Bytes: x.Request.Body.Bytes}
	f.Seen = Seen{floor: slices.Clone(x.Seen.floor)}
	f.inputs, f.result = slices.Clip(x.inputs), slices.Clip(x.result)
	f.id, f.newID = x.RequestID(), x.NewID()
	f.base, f.ctx = ctx, derived{ctx: ctx, deadline: x.Deadline}
	return f
}

// fork is a header with the same fields, to which others can be added.
func (h *Header) fork() Header { return Header{fields: slices.Clip(h.fields), names: h.names} }

// Join takes over from a fork that serves no more what its part of the answer was read at, and what it has made that the
// caller must see from now on.
func (x *Exchange) Join(f *Exchange) {
	for _, v := range f.Seen.read {
		x.Seen.Read(v)
	}
	if f.Seen.grown {
		for _, v := range f.Seen.floor {
			x.Seen.Advance(v)
		}
	}
}
