// Package issuer is an issuer of tokens on loopback: it signs them, serves its keys, and misbehaves when it is told to.
// It is for tests and for programs that use a running Sluice.
package issuer

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Mode is how an issuer answers those who ask for its keys.
type Mode uint8

// The modes.
const (
	// Good answers with the keys, and with 304 to whoever knows them.
	Good Mode = iota
	// Failing answers 503.
	Failing
	// Stalled takes the request and does not answer, until the mode changes.
	Stalled
	// Away sends to another host, where the keys can be had too.
	Away
	// Circling sends to itself.
	Circling
	// Huge answers with 1 MB that would be a good set.
	Huge
	// Cut ends in the middle of the answer.
	Cut
)

// Issuer signs tokens and serves its keys. Its methods may be called at once.
type Issuer struct {
	address string
	secure  bool
	server  *http.Server
	ca      []byte

	mu      sync.Mutex // guards what follows
	keys    []*Key
	text    string
	control string
	mode    Mode
	changed chan struct{} // closed, and made anew, when the mode changes
	fetches []time.Time
}

// Start starts an issuer with one key of ES256 on a free port, over plain HTTP.
func Start() (*Issuer, error) { return start(nil, nil) }

// StartTLS starts an issuer that speaks HTTPS, with a certificate for 127.0.0.1 of an authority of its own.
func StartTLS() (*Issuer, error) {
	cert, ca, err := certificate()
	if err != nil {
		return nil, err
	}
	return start(&tls.Config{Certificates: []tls.Certificate{cert}}, ca)
}

func start(config *tls.Config, ca []byte) (*Issuer, error) {
	key, err := NewKey("ES256", "first")
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &Issuer{address: listener.Addr().String(), secure: config != nil, ca: ca, control: "max-age=300", changed: make(chan struct{})}
	s.Publish(key)
	s.server = &http.Server{Handler: http.HandlerFunc(s.serve), ReadHeaderTimeout: 10 * time.Second,
		ErrorLog: log.New(io.Discard, "", 0)}
	if config != nil {
		listener = tls.NewListener(listener, config)
	}
	go s.server.Serve(listener) // Close ends it
	return s, nil
}

// Close stops the issuer.
func (s *Issuer) Close() {
	s.SetMode(Failing)
	s.server.Close()
}

// Name is the claim iss of its tokens, and the address without a path.
func (s *Issuer) Name() string {
	if s.secure {
		return "https://" + s.address
	}
	return "http://" + s.address
}

// KeysURL is where its keys are.
func (s *Issuer) KeysURL() string { return s.Name() + "/jwks.json" }

// CA is the authority of its certificate as PEM; nil without TLS.
func (s *Issuer) CA() []byte { return s.ca }

// Publish makes these the keys that it serves; the first of them signs.
func (s *Issuer) Publish(keys ...*Key) {
	var jwks []map[string]any
	for _, k := range keys {
		jwks = append(jwks, k.JWK())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys, s.text = keys, Set(jwks...)
}

// PublishText has it serve any text instead of its keys.
func (s *Issuer) PublishText(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.text = text
}

// SetMode changes how it answers.
func (s *Issuer) SetMode(m Mode) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mode = m
	close(s.changed)
	s.changed = make(chan struct{})
}

// SetCacheControl changes the field Cache-Control of its answers.
func (s *Issuer) SetCacheControl(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.control = text
}

// Fetches are the times at which somebody asked for the keys.
func (s *Issuer) Fetches() []time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]time.Time(nil), s.fetches...)
}

// Claims are good claims for an audience, which may be changed: they hold for an hour.
func (s *Issuer) Claims(audience, subject string) map[string]any {
	now := time.Now().Unix()
	return map[string]any{"iss": s.Name(), "aud": audience, "sub": subject, "iat": now, "exp": now + 3600}
}

// Token is a token with these claims, signed by the first of its keys.
func (s *Issuer) Token(claims map[string]any) string {
	s.mu.Lock()
	key := s.keys[0]
	s.mu.Unlock()
	return key.Token(claims)
}

func (s *Issuer) serve(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.fetches = append(s.fetches, time.Now())
	text, control, mode, changed := s.text, s.control, s.mode, s.changed
	s.mu.Unlock()
	switch mode {
	case Failing:
		http.Error(w, "not now", http.StatusServiceUnavailable)
		return
	case Stalled:
		select {
		case <-changed:
		case <-r.Context().Done():
		}
		panic(http.ErrAbortHandler)
	case Away:
		http.Redirect(w, r, strings.Replace(s.KeysURL(), "127.0.0.1", "localhost", 1), http.StatusFound)
		return
	case Circling:
		http.Redirect(w, r, r.URL.Path, http.StatusFound)
		return
	case Huge:
		text += strings.Repeat(" ", 1<<20)
	}
	sum := sha256.Sum256([]byte(text))
	tag := strconv.Quote(hex.EncodeToString(sum[:8]))
	w.Header().Set("Cache-Control", control)
	w.Header().Set("ETag", tag)
	w.Header().Set("Content-Type", "application/jwk-set+json")
	if r.Header.Get("If-None-Match") == tag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(text)))
	if mode == Cut {
		text = text[:len(text)/2]
	}
	fmt.Fprint(w, text)
}

// certificate is one for 127.0.0.1 with its authority as PEM.
func certificate() (cert tls.Certificate, ca []byte, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return cert, nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "issuer"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return cert, nil, err
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), nil
}
