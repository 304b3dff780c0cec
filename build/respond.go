package build

import (
	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/config"
)

// respond replaces parts of the answer of an endpoint's backend.
type respond struct {
	next sluice.Handler
	with *config.Respond
}

// Serve leaves an answer of 400 and above as the backend made it.
func (r *respond) Serve(x *sluice.Exchange) error {
	if err := r.next.Serve(x); err != nil || x.Response.Status >= 400 {
		return err
	}
	resp := &x.Response
	if r.with.Status != 0 {
		resp.Status = r.with.Status
	}
	if !r.with.JSON.IsZero() {
		resp.Body.Close(nil)
		resp.Body.SetBuffer(r.with.JSON.AppendJSON(resp.Body.Buffer(), x))
		resp.Header.Set("Content-Type", "application/json")
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
