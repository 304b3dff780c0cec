//go:build race

package build

import "github.com/sluiceapi/sluice"

// Under the race detector the bytes of a request, and those of a backend's answer, are in memory that is overwritten as soon
// as the exchange has ended, as an engine or a backend would do with the next one some time later: so a test of whoever
// keeps what was only borrowed fails, every time.

// lend moves a request into such memory.
func lend(x *sluice.Exchange) {
	r := &x.Request
	all := []*[]byte{&r.Host, &r.Path, &r.Query}
	for i := range r.Params {
		all = append(all, &r.Params[i].Value)
	}
	if r.Body.Stream == nil {
		all = append(all, &r.Body.Bytes)
	}
	x.OnEnd(move(all, &r.Header))
}

// lending has the answers of a backend moved there.
func lending(h sluice.Handler) sluice.Handler {
	return sluice.HandlerFunc(func(x *sluice.Exchange) error {
		err := h.Serve(x)
		var all []*[]byte
		if x.Response.Body.Stream == nil {
			all = append(all, &x.Response.Body.Bytes)
		}
		x.OnEnd(move(all, &x.Response.Header))
		return err
	})
}

// lent is memory that is lent for one exchange.
type lent []byte

// move moves slices and the fields of a header.
func move(all []*[]byte, h *sluice.Header) lent {
	fields := append([]sluice.Field(nil), h.Fields()...)
	for i := range fields {
		all = append(all, &fields[i].Name, &fields[i].Value)
	}
	size := 0
	for _, part := range all {
		size += len(*part)
	}
	memory := make(lent, 0, size)
	for _, part := range all {
		if *part != nil {
			start := len(memory)
			memory = append(memory, *part...)
			*part = memory[start:len(memory):len(memory)]
		}
	}
	h.DelFunc(func(sluice.Field) bool { return true })
	for _, f := range fields {
		h.AddBytes(f.Name, f.Value)
	}
	return memory
}

// End overwrites it.
func (l lent) End(*sluice.Exchange, sluice.Outcome) {
	for i := range l {
		l[i] = sluice.Spent
	}
}
