package grpc_test

import (
	"io"
	"net"
	"net/http"
	"testing"

	"github.com/sluiceapi/sluice/sluicetest"
)

// BenchmarkUnary measures a request that becomes a call and back. The service answers from memory, by net/http, and its
// part of the allocations is told by BenchmarkService.
func BenchmarkUnary(b *testing.B) {
	n := node(b, serveMemory(b), "  get:\n    route: GET /items/{i64}\n    grpc: {method: echo.v1.EchoService/Echo, message: {i64: \"{i64}\"}}\n")
	x := sluicetest.Exchange(b, "GET /items/7", "", "accept: application/json", "user-agent: bench", "authorization: Bearer x")
	fresh := *x
	b.ReportAllocs()
	for b.Loop() {
		if a := sluicetest.Do(n, x); a.Status != 200 {
			b.Fatal(a)
		}
		x.Reset(nil)
		x.Request, x.Start = fresh.Request, fresh.Start
	}
}

// BenchmarkService is the service of BenchmarkUnary, asked by net/http with as little as there is.
func BenchmarkService(b *testing.B) {
	var protocols http.Protocols
	protocols.SetUnencryptedHTTP2(true)
	t := &http.Transport{Protocols: &protocols, DisableCompression: true}
	url := "http://" + serveMemory(b) + "/echo.v1.EchoService/Echo"
	b.Cleanup(t.CloseIdleConnections)
	b.ReportAllocs()
	for b.Loop() {
		r, err := http.NewRequest("POST", url, nil)
		if err != nil {
			b.Fatal(err)
		}
		answer, err := t.RoundTrip(r)
		if err != nil {
			b.Fatal(err)
		}
		io.Copy(io.Discard, answer.Body)
		answer.Body.Close()
	}
}

// serveMemory serves one answer, whatever is asked: {i64: 7}.
func serveMemory(b *testing.B) string {
	b.Helper()
	frame := []byte{0, 0, 0, 0, 2, 2 << 3, 7}
	var protocols http.Protocols
	protocols.SetUnencryptedHTTP2(true)
	s := &http.Server{Protocols: &protocols, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header()["Content-Type"] = []string{"application/grpc"}
		w.Write(frame)
		w.Header()[http.TrailerPrefix+"Grpc-Status"] = []string{"0"}
	})}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	go s.Serve(l)
	b.Cleanup(func() { s.Close() })
	return l.Addr().String()
}
