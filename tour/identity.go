package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"

	"github.com/sluiceapi/sluice/sluicetest/issuer"
	"github.com/sluiceapi/sluice/sluicetest/servers"
)

// identity shows whom the shop lets in by tokens, and a node by certificates.
func identity(ctx context.Context, s *site) ([]string, error) {
	tokens, err := showTokens(ctx, s)
	if err != nil {
		return nil, err
	}
	certificates, err := showCertificates(ctx, s)
	return append([]string{tokens}, certificates...), err
}

func showTokens(ctx context.Context, s *site) (string, error) {
	claims := s.issuer.Claims("shop", "tour")
	forger, err := issuer.NewKey("ES256", "first")
	if err != nil {
		return "", err
	}
	for _, try := range []struct {
		token string
		want  int
	}{{"", 401}, {s.issuer.Token(claims), 200}, {forger.Token(claims), 401}} {
		q := get(s.trio[0].HTTP + "/api/data")
		if try.token != "" {
			q.fields = []string{"Authorization", "Bearer " + try.token}
		}
		if _, err := wanted(ctx, try.want, q); err != nil {
			return "", err
		}
	}
	return "GET /api/data: with a token 200; without, or signed by a wrong key, 401", nil
}

// mutual is a config that asks every client for a certificate, and tells who asks.
const mutual = `sluice: 1
listen:
  https:
    address: 127.0.0.1:0
    certificates:
      - cert: "${SERVER_CERT}"
        key: "${SERVER_KEY}"
    client_ca: "${CLIENT_CA}"
    client_certificates: ${CERTIFICATES}
  admin: 127.0.0.1:0
endpoints:
  who:
    route: GET /who
    policies:
      - client_cert:
          spiffe: [spiffe://example.org/*]
    static:
      body: "{caller.subject}"
`

func showCertificates(ctx context.Context, s *site) ([]string, error) {
	authority, stranger := servers.NewAuthority(s.owner, "tour"), servers.NewAuthority(s.owner, "stranger")
	server := authority.Issue(servers.Leaf{Server: true})
	config, err := s.write("mutual.yaml", mutual)
	if err != nil {
		return nil, err
	}
	variables := []string{"SERVER_CERT=" + server.CertFile, "SERVER_KEY=" + server.KeyFile, "CLIENT_CA=" + authority.CertFile}
	known := servers.Leaf{Client: true, URIs: []string{"spiffe://example.org/billing"}}
	billing, forged := authority.Issue(known).TLS(), stranger.Issue(known).TLS()
	for _, asked := range []string{"require", "optional"} {
		n, err := s.start(ctx, []string{config}, append(variables, "CERTIFICATES="+asked)...)
		if err != nil {
			return nil, err
		}
		defer n.Stop()
		who := func(certificates ...tls.Certificate) (answer, error) {
			config := &tls.Config{RootCAs: authority.Pool()}
			if len(certificates) > 0 { // it is shown whatever the server says of whose it takes
				config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &certificates[0], nil }
			}
			client := &http.Client{Transport: &http.Transport{TLSClientConfig: config}}
			defer client.CloseIdleConnections()
			return askWith(ctx, client, get(n.HTTPS+"/who"))
		}
		if a, err := who(billing); err != nil || a.status != 200 || string(a.body) != known.URIs[0] {
			return nil, fmt.Errorf("a client with a certificate: %d %s, %w", a.status, a.body, err)
		}
		if a, err := who(forged); err == nil {
			return nil, errUnlike("a client with a stranger's certificate", a.status, "no connection")
		}
		a, err := who()
		if asked == "optional" {
			if err != nil || a.status != 401 {
				return nil, errors.Join(errUnlike("a client without a certificate", a.status, 401), err)
			}
		} else if err == nil {
			return nil, errUnlike("a client without a certificate", a.status, "no connection")
		}
	}
	return []string{
		"mutual TLS: with a certificate 200, as " + known.URIs[0] + ";",
		"without one no connection, or 401 where optional; a stranger's: none",
	}, nil
}
