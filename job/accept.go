package job

import (
	"crypto/sha256"
	"slices"
	"strings"

	"github.com/sluiceapi/sluice"
)

// accept makes jobs of the exchanges of an endpoint.
type accept struct {
	jobs *Jobs
	line *line
	// headers are the fields of the request that are kept, in lower case.
	headers []string
}

// keptAlways are the fields that are kept of every request: what says how its body is to be read, and what is wanted.
var keptAlways = []string{"accept", "accept-language", "content-encoding", "content-language", "content-type", "user-agent"}

// keptFields are the fields of an endpoint's requests that are kept: what is not named may be a secret.
func keptFields(ep *sluice.Endpoint, more []string) []string {
	all := slices.Concat(keptAlways, more, ep.Headers)
	for _, in := range ep.Inputs {
		if in.In == "header" {
			all = append(all, in.Name)
		}
	}
	for i := range all {
		all[i] = strings.ToLower(all[i])
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// Serve accepts an exchange as a job.
func (a *accept) Serve(x *sluice.Exchange) error {
	key, err := a.key(x)
	if err != nil {
		return err
	}
	span := x.Send("send " + a.line.ep.Name)
	n, err := a.job(x, key, span)
	if err != nil {
		span.End(err)
		return err
	}
	got, err := a.jobs.keeper.Accept(x.Context(), n)
	if err != nil {
		err = unavailable(err)
	} else if got.Err != nil {
		err = sluice.Errorf(sluice.Unprocessable, nil, "the Idempotency-Key stands for another request already")
	}
	span.End(err)
	if err != nil {
		return err
	}
	return a.jobs.accepted(x, &got.Job)
}

// job is the job that an exchange makes.
func (a *accept) job(x *sluice.Exchange, key Key, span sluice.Span) (n New, err error) {
	kept, err := x.Keep(a.jobs.MaxRequest)
	if err != nil {
		return n, err
	}
	kept.Request.Header.DelFunc(func(f sluice.Field) bool {
		_, found := slices.BinarySearch(a.headers, strings.ToLower(string(f.Name)))
		return !found
	})
	plan := &a.line.plan
	n = New{ID: NewID(a.jobs.Env.Now()), Endpoint: a.line.ep.Name, Caller: callerKey(x), MaxAttempts: plan.Attempts,
		Expire: plan.Expire, Keep: plan.Keep, Trace: traceOf(span)}
	if key.Text != "" {
		n.Key = Key{Text: key.Text, Fingerprint: fingerprint(&kept.Request), Keep: plan.KeyKeep}
	}
	n.Request, err = kept.MarshalBinary()
	return n, err
}

// callerKey names who asks, "" when nobody is known.
func callerKey(x *sluice.Exchange) string {
	if !x.Caller.Known() {
		return ""
	}
	return string(x.Caller.AppendKey(nil))
}

// fingerprint tells requests apart by what they ask for.
func fingerprint(r *sluice.Request) [32]byte {
	h := sha256.New()
	for _, part := range [][]byte{[]byte(r.Method), r.Host, r.Path, r.Query, r.Body.Bytes} {
		var size [8]byte
		for i := range size {
			size[i] = byte(len(part) >> (8 * i))
		}
		h.Write(size[:])
		h.Write(part)
	}
	return [32]byte(h.Sum(nil))
}

// maxKey is the length of the longest key that is taken.
const maxKey = 255

// key reads the field Idempotency-Key (draft-ietf-httpapi-idempotency-key-header-07): a string of structured fields, in
// quotes, or the same without them.
func (a *accept) key(x *sluice.Exchange) (k Key, err error) {
	h := &x.Request.Header
	value := strings.TrimSpace(string(h.Value("Idempotency-Key")))
	if inner, quoted := strings.CutPrefix(value, `"`); quoted {
		value = strings.TrimSuffix(inner, `"`)
		if len(value) == len(inner) || value == "" {
			return k, badKey("want text in quotes")
		}
	}
	switch {
	case h.Count("Idempotency-Key") > 1:
		return k, badKey("it comes twice; want one")
	case value == "" && a.line.plan.KeyRequired:
		return k, sluice.Errorf(sluice.BadRequest, nil, "the request has no Idempotency-Key; want one, so that it can be sent again without harm")
	case len(value) > maxKey:
		return k, badKey("it is longer than 255 letters")
	}
	for i := range len(value) {
		if c := value[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			return k, badKey("want visible ASCII without quotes and backslashes")
		}
	}
	k.Text = value
	return k, nil
}

func badKey(why string) error {
	return sluice.Errorf(sluice.BadRequest, nil, "the Idempotency-Key cannot be read: %s", why)
}

// traceOf is the trace context of a span, as Job.Trace has it.
func traceOf(span sluice.Span) string {
	var h sluice.Header
	span.Inject(&h)
	parent := string(h.Value("Traceparent"))
	if state := h.Value("Tracestate"); len(state) > 0 && parent != "" {
		parent += "\n" + string(state)
	}
	return parent
}

// setTrace puts Job.Trace into the header of the exchange of an attempt.
func setTrace(h *sluice.Header, trace string) {
	parent, state, found := strings.Cut(trace, "\n")
	if parent != "" {
		h.Set("Traceparent", parent)
	}
	if found {
		h.Set("Tracestate", state)
	}
}
