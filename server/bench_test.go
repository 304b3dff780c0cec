package server_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"testing"

	"github.com/sluiceapi/sluice"
)

func newReader(r io.Reader) *bufio.Reader { return bufio.NewReader(r) }

// BenchmarkHTTP1 measures one kept connection that asks for a short answer, with a client that allocates nothing.
func BenchmarkHTTP1(b *testing.B) {
	body := []byte(`{"id":1,"name":"a product"}`)
	s := serve(b, plain, sluice.HandlerFunc(func(x *sluice.Exchange) error {
		x.Response.Header.Add("Content-Type", "application/json")
		x.Response.Body.SetBytes(body)
		return nil
	}))
	askMany(b, address(s))
}

// BenchmarkNetHTTP is what net/http alone takes for the same.
func BenchmarkNetHTTP(b *testing.B) {
	body := []byte(`{"id":1,"name":"a product"}`)
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Write(body)
	})}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	go s.Serve(l)
	b.Cleanup(func() { s.Close() })
	askMany(b, l.Addr().String())
}

func askMany(b *testing.B, address string) {
	c := dial(b, address)
	request := []byte("GET /api/products/1 HTTP/1.1\r\nHost: a.example\r\nAccept: application/json\r\nUser-Agent: bench\r\n\r\n")
	p := make([]byte, 4096)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Write(request); err != nil {
			b.Fatal(err)
		}
		if _, err := c.Read(p); err != nil {
			b.Fatal(err)
		}
	}
}
