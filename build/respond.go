package build

import (
	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/config"
)

// respond replaces parts of the answer of an endpoint's backend.
type respond struct {
	next sluice.Handler
	with *config.Respond
	// leave is the status from which an answer stays as the backend made it.
	leave int
}

// Serve leaves a failure as the backend made it. An answer without content, as 304 and 101 are, stays so.
func (r *respond) Serve(x *sluice.Exchange) error {
	if err := r.next.Serve(x); err != nil || x.Response.Status >= r.leave {
		return err
	}
	resp := &x.Response
	if resp.Status != 304 && resp.Status != 101 {
		r.replace(x)
	}
	for i := range r.with.Headers {
		field := &r.with.Headers[i]
		value, err := field.Value.AppendField(nil, x)
		switch {
		case err != nil:
			return err
		case len(value) == 0:
			resp.Header.Del(field.Name)
		default:
			resp.Header.SetBytes(field.Name, value)
		}
	}
	return nil
}

// replace replaces status and content.
func (r *respond) replace(x *sluice.Exchange) {
	resp := &x.Response
	if !r.with.JSON.IsZero() {
		resp.Body.Close(nil)
		resp.Body.SetBuffer(r.with.JSON.AppendJSON(resp.Body.Buffer(), x))
		resp.Header.DelFunc(func(f sluice.Field) bool { return sluice.OfContent(f.Name) })
		resp.Header.Set("Content-Type", "application/json")
		resp.Trailer.Reset()
		if resp.Status == 206 {
			resp.Status = 200 // it is whole
		}
	}
	if r.with.Status != 0 {
		resp.Status = r.with.Status
	}
}
