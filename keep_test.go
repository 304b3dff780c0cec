package sluice_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"fmt"
	"math/big"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/sluiceapi/sluice"
)

// told is everything that a kept exchange must still know.
func told(x *sluice.Exchange) string {
	r := &x.Request
	name, peer := "", ""
	if x.Endpoint != nil {
		name = x.Endpoint.Name
	}
	if r.Peer != nil {
		peer = r.Peer.SerialNumber.String()
	}
	return strings.Join([]string{
		name, x.Route, x.Start.Format(time.RFC3339Nano), x.Deadline.Format(time.RFC3339Nano), string(x.RequestID()), string(x.NewID()),
		fmt.Sprintf("%+v", x.Caller), r.Method, r.Scheme, r.Proto, string(r.Host), string(r.Path), string(r.Query), fields(&r.Header),
		fmt.Sprintf("%s", r.Params), string(r.Body.Bytes), fields(&r.Trailer), r.Remote.String(), r.Client.String(), fmt.Sprint(r.TrustedPeer), peer,
	}, "\n")
}

func certificate(t *testing.T) *x509.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(77), NotAfter: time.Unix(4e9, 0)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// full is an exchange with something in every place, and the memory that it borrows.
func full(t *testing.T) (x *sluice.Exchange, borrowed []byte) {
	t.Helper()
	x = sluice.NewExchange(nil)
	lend := func(text string) []byte {
		start := len(borrowed)
		borrowed = append(borrowed, text...)
		return borrowed[start:len(borrowed):len(borrowed)]
	}
	borrowed = make([]byte, 0, 1024)
	x.Endpoint, x.Route = &sluice.Endpoint{Name: "report"}, "POST /reports/{id}"
	x.Start = time.Date(2026, 1, 2, 3, 4, 5, 678, time.UTC)
	x.Deadline = x.Start.Add(time.Minute)
	x.Caller = sluice.Caller{Scheme: "jwt", Issuer: "i", Subject: "s", Claims: lend(`{"tenant":"t"}`)}
	x.SetRequestID(lend("request-1"))
	r := &x.Request
	r.Method, r.Scheme, r.Proto = "POST", "https", "HTTP/1.1"
	r.Host, r.Path, r.Query = lend("Example.org"), lend("/reports/a%20b"), lend("q=%ff;x")
	r.Header.AddBytes(lend("X-A"), lend("1"))
	r.Header.AddBytes(lend("x-a"), lend("\xff"))
	r.Header.AddBytes(lend("X-Empty"), lend(""))
	r.Trailer.AddBytes(lend("X-T"), lend("2"))
	r.Params = append(r.Params, sluice.Param{Name: "id", Value: lend("a%20b")})
	r.Body.SetBytes(lend("body \x00\xff"))
	r.Remote, r.Client, r.TrustedPeer = netip.MustParseAddrPort("[fe80::1%eth0]:99"), netip.MustParseAddr("192.0.2.1"), true
	r.Peer = certificate(t)
	return x, borrowed
}

func TestKeepSharesNoMemory(t *testing.T) {
	t.Parallel()
	x, borrowed := full(t)
	x.NewID()
	want := told(x)
	k, err := x.Keep(100)
	if err != nil {
		t.Fatal(err)
	}
	for i := range borrowed {
		borrowed[i] = '#'
	}
	x.End(sluice.Outcome{})
	x.Reset(nil)
	x.SetRequestID([]byte("other"))
	x.Request.Header.CopyField([]byte("other"), []byte("other"))
	if got := told(k); got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
}

func TestKeptExchangeIsRestored(t *testing.T) {
	t.Parallel()
	for _, what := range []string{"full", "empty"} {
		x := sluice.NewExchange(nil)
		if what == "full" {
			x, _ = full(t)
		}
		x.NewID()
		k, err := x.Keep(100)
		if err != nil {
			t.Fatal(err)
		}
		data, err := k.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		back, err := sluice.Restore(data, func(name string) *sluice.Endpoint { return &sluice.Endpoint{Name: name} })
		if err != nil {
			t.Fatal(err)
		}
		if got, want := told(back), told(x); got != want {
			t.Errorf("%s: got %s\nwant %s", what, got, want)
		}
	}
}

// Policies above may still fill in the id: one is made when the exchange is kept, so that every attempt has the same.
func TestKeptExchangeHasAnID(t *testing.T) {
	t.Parallel()
	x := sluice.NewExchange(nil)
	k, err := x.Keep(0)
	if err != nil || string(k.RequestID()) != string(x.RequestID()) || len(k.RequestID()) != 32 {
		t.Errorf("got %s and %s, %v", k.RequestID(), x.RequestID(), err)
	}
}

func TestKeepReadsTheBody(t *testing.T) {
	t.Parallel()
	for limit, ok := range map[int64]bool{4: true, 3: false} {
		x := sluice.NewExchange(nil)
		x.Request.Body.SetStream(&stream{Reader: strings.NewReader("1234")}, -1)
		if _, err := x.MarshalBinary(); err == nil {
			t.Error("a streamed body is stored")
		}
		k, err := x.Keep(limit)
		if !ok {
			if sluice.ErrorOf(err).Code != sluice.TooLarge {
				t.Errorf("limit %d: %v", limit, err)
			}
			continue
		}
		if err != nil || string(k.Request.Body.Bytes) != "1234" || string(x.Request.Body.Bytes) != "1234" {
			t.Errorf("limit %d: got %q and %q, %v", limit, k.Request.Body.Bytes, x.Request.Body.Bytes, err)
		}
	}
}

func TestRestoreRefuses(t *testing.T) {
	t.Parallel()
	gone := func(string) *sluice.Endpoint { return nil }
	for data, want := range map[string]string{
		``: "stored exchange", `[]`: "stored exchange", `{}`: "version 0",
		`{"v": 2, "method": "GET"}`:                    "of version 2; this node reads version 1",
		`{"v": 1, "endpoint": "x"}`:                    `endpoint "x", which is not there`,
		`{"v": 1, "remote": "x"}`:                      "remote",
		`{"v": 1, "client": "x"}`:                      "client",
		`{"v": 1, "peer": "AAAA"}`:                     "peer",
		`{"v": 1, "body": "not base64"}`:               "stored exchange",
		`{"v": 1, "start": "yesterday"}`:               "stored exchange",
		`{"v": 1, "caller": {"claims": {"a": "b"}}} x`: "stored exchange",
	} {
		if x, err := sluice.Restore([]byte(data), gone); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, %v; want %s", data, x, err, want)
		}
	}
}

// FuzzRestore has whatever is restored stored again, and restored the same.
func FuzzRestore(f *testing.F) {
	f.Add([]byte(`{"v": 1, "method": "GET", "path": "L2E=", "header": [{"n": "YQ==", "v": ""}], "params": [{"n": "aWQ=", "v": "MQ=="}],
		"caller": {"scheme": "jwt", "subject": "s", "claims": {"a": 1}}, "remote": "192.0.2.1:1", "client": "2001:db8::1", "start": "2026-01-02T03:04:05Z"}`))
	f.Add([]byte(`{"v": 1, "endpoint": "e", "id": "x", "new_id": "y", "deadline": "2026-01-02T03:04:05.6+01:00", "trusted": true, "body": null}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		endpoint := func(name string) *sluice.Endpoint { return &sluice.Endpoint{Name: name} }
		x, err := sluice.Restore(data, endpoint)
		if err != nil {
			return
		}
		x.NewID()
		stored, err := x.MarshalBinary()
		if err != nil {
			t.Fatalf("%q is restored and cannot be stored: %v", data, err)
		}
		again, err := sluice.Restore(stored, endpoint)
		if err != nil {
			t.Fatalf("%q is stored as %q: %v", data, stored, err)
		}
		twice, err := again.MarshalBinary()
		if err != nil || string(twice) != string(stored) {
			t.Fatalf("%q is stored as %q, then as %q, %v", data, stored, twice, err)
		}
	})
}
