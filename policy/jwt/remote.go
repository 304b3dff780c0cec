package jwt

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"
)

// remote is a key set behind an address.
type remote struct {
	address string
	shown   string // as errors tell it, without what may be secret
	client  *http.Client
}

// Bounds of fetching.
const (
	fetchTimeout  = 5 * time.Second
	leastFresh    = time.Minute
	mostFresh     = time.Hour
	usualFresh    = 10 * time.Minute // when the answer does not say
	maxRedirects  = 3
	maxSetHeaders = 64 << 10
)

// newRemote makes the origin; ca is a PEM file of authorities, or "" for the system's.
func newRemote(address Location, ca string) (*remote, error) {
	transport := &http.Transport{
		DisableCompression: true, MaxResponseHeaderBytes: maxSetHeaders,
		ForceAttemptHTTP2: true, MaxIdleConns: 1, IdleConnTimeout: 30 * time.Second,
		TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12},
	}
	if ca != "" {
		text, err := os.ReadFile(ca)
		if err != nil {
			return nil, fmt.Errorf("reading the authorities: %w", err)
		}
		transport.TLSClientConfig.RootCAs = x509.NewCertPool()
		if !transport.TLSClientConfig.RootCAs.AppendCertsFromPEM(text) {
			return nil, errors.New("no certificate in the file; want one or several as PEM")
		}
	}
	client := &http.Client{Transport: transport, Timeout: fetchTimeout, CheckRedirect: sameHost}
	return &remote{address: string(address), shown: address.shown(), client: client}, nil
}

// sameHost refuses to be sent to another host, or from https to http.
func sameHost(next *http.Request, before []*http.Request) error {
	first := before[0].URL
	if next.URL.Host != first.Host || next.URL.Scheme != first.Scheme {
		return fmt.Errorf("it sends to %s://%s, which is not where the config looks for keys", next.URL.Scheme, next.URL.Host)
	}
	if len(before) > maxRedirects {
		return errors.New("it sends from one address to the next")
	}
	return nil
}

// load fetches the set.
func (r *remote) load(ctx context.Context, known string) (loaded, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, r.address, nil)
	if err != nil {
		return loaded{}, err
	}
	request.Header.Set("Accept", "application/jwk-set+json, application/json")
	if known != "" {
		request.Header.Set("If-None-Match", known)
	}
	response, err := r.client.Do(request)
	if failed, is := errors.AsType[*url.Error](err); is {
		err = fmt.Errorf("asking %s: %w", r.shown, failed.Err)
	}
	if err != nil {
		return loaded{}, err
	}
	defer response.Body.Close()
	l := loaded{fresh: freshness(response.Header), version: known}
	if response.StatusCode == http.StatusNotModified && known != "" {
		return l, nil
	}
	if response.StatusCode != http.StatusOK {
		return loaded{}, fmt.Errorf("%s answers with status %d", r.shown, response.StatusCode)
	}
	l.text, err = io.ReadAll(io.LimitReader(response.Body, maxSet+1))
	if err != nil {
		return loaded{}, fmt.Errorf("reading the answer of %s: %w", r.shown, err)
	}
	if len(l.text) > maxSet {
		return loaded{}, fmt.Errorf("the answer of %s is longer than %d bytes", r.shown, maxSet)
	}
	l.version = response.Header.Get("ETag")
	return l, nil
}

// freshness is how long an answer is fresh (RFC 9111, section 4.2), within our bounds.
func freshness(h http.Header) time.Duration {
	fresh := usualFresh
	for directive := range strings.SplitSeq(strings.Join(h.Values("Cache-Control"), ","), ",") {
		name, value, _ := strings.Cut(strings.ToLower(strings.TrimSpace(directive)), "=")
		switch name {
		case "no-store", "no-cache":
			return leastFresh
		case "max-age":
			if n, err := strconv.ParseUint(strings.Trim(value, `"`), 10, 31); err == nil {
				fresh = time.Duration(n) * time.Second
			}
		}
	}
	if age, err := strconv.ParseUint(h.Get("Age"), 10, 31); err == nil {
		fresh -= time.Duration(age) * time.Second
	}
	return min(max(fresh, leastFresh), mostFresh)
}

func (r *remote) close() { r.client.CloseIdleConnections() }
