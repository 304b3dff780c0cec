package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	collected "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

func TestNewToken(t *testing.T) {
	t.Parallel()
	token, public, err := newToken()
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode([]byte(public))
	key, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	dot := strings.LastIndexByte(token, '.')
	signature, err := base64.RawURLEncoding.DecodeString(token[dot+1:])
	if err != nil || len(signature) != 64 {
		t.Fatalf("a signature of %d bytes, %v", len(signature), err)
	}
	hash := sha256.Sum256([]byte(token[:dot]))
	if !ecdsa.Verify(key.(*ecdsa.PublicKey), hash[:], new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:])) {
		t.Error("the key does not verify the token")
	}
}

func TestSumSeries(t *testing.T) {
	t.Parallel()
	const text = "# HELP a_total of a\na_total{b=\"}\",c=\"200\"} 17\na_total_more 4\na_total{c=\"404\"} 3e2\nb 1\n"
	if got, err := sumSeries(text, "a_total"); err != nil || got != 317 {
		t.Errorf("got %v, %v; want 317", got, err)
	}
	for _, text := range []string{"", "a_totals 1\n", "a_total{} x\n", "a_total{}\n"} {
		if got, err := sumSeries(text, "a_total"); err == nil {
			t.Errorf("%q: got %v, want an error", text, got)
		}
	}
}

func TestCollector(t *testing.T) {
	t.Parallel()
	three := &tracepb.ScopeSpans{Spans: []*tracepb.Span{{Name: "a"}, {Name: "b"}, {Name: "c"}}}
	body, err := proto.Marshal(&collected.ExportTraceServiceRequest{ResourceSpans: []*tracepb.ResourceSpans{
		{ScopeSpans: []*tracepb.ScopeSpans{three, {}}}, {ScopeSpans: []*tracepb.ScopeSpans{three}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	handler := newCollector()
	for _, test := range []struct {
		body []byte
		want int
	}{{body, http.StatusOK}, {[]byte("\xff"), http.StatusBadRequest}, {nil, http.StatusOK}} {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequest(http.MethodPost, tracesPath, bytes.NewReader(test.body)))
		if w.Code != test.want {
			t.Errorf("%q: got %d, want %d", test.body, w.Code, test.want)
		}
	}
	server := httptest.NewServer(handler)
	defer server.Close()
	if got, err := waitSpans(t.Context(), strings.TrimPrefix(server.URL, "http://"), 6); err != nil || got != 6 {
		t.Errorf("got %d spans, %v; want 6", got, err)
	}
}
