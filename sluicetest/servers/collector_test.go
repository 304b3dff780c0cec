package servers

import (
	"encoding/json"
	"testing"
	"time"
)

// What the file exporter writes, in OTLP/JSON.
const written = `{"resourceSpans":[{"resource":{"attributes":[{"key":"host.name","value":{"stringValue":"h"}},{"key":"service.name","value":{"stringValue":"shop"}}]},
"scopeSpans":[{"scope":{},"spans":[
{"traceId":"0a","spanId":"01","parentSpanId":"02","name":"GET /","kind":2,"startTimeUnixNano":"100","endTimeUnixNano":"350","status":{}},
{"traceId":"0b","spanId":"03","name":"another trace","kind":3}]}]}]}`

func TestSpans(t *testing.T) {
	t.Parallel()
	var batch tracesData
	if err := json.Unmarshal([]byte(written), &batch); err != nil {
		t.Fatal(err)
	}
	want := Span{Service: "shop", Kind: "server", Name: "GET /", ID: "01", Parent: "02", Took: 250 * time.Nanosecond}
	if got := batch.of("0a"); len(got) != 1 || got[0] != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got := batch.of("0c"); len(got) != 0 {
		t.Errorf("of a trace that is not there: %+v", got)
	}
}
