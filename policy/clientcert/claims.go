package clientcert

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"

	"github.com/sluiceapi/sluice"
)

// claims is what a certificate says, as a JSON object.
func claims(cert *x509.Certificate) []byte {
	sum := sha256.Sum256(cert.Raw)
	var uris []string
	for _, u := range cert.URIs {
		uris = append(uris, u.String())
	}
	dst := appendMember([]byte{'{'}, "subject", nameText(cert.RawSubject))
	dst = appendMember(append(dst, ','), "issuer", nameText(cert.RawIssuer))
	dst = appendList(append(dst, ','), "dns", cert.DNSNames)
	dst = appendList(append(dst, ','), "uris", uris)
	dst = appendMember(append(dst, ','), "serial", cert.SerialNumber.Text(16))
	dst = appendMember(append(dst, ','), "fingerprint", base64.RawURLEncoding.EncodeToString(sum[:]))
	return append(dst, '}')
}

// nameText is the text of a name that may not be readable, which is then as if it was empty.
func nameText(der []byte) string {
	n, _ := nameOf(der)
	return n.String()
}

func appendMember(dst []byte, key, value string) []byte {
	dst = append(sluice.AppendJSONString(dst, []byte(key)), ':')
	return sluice.AppendJSONString(dst, []byte(value))
}

func appendList(dst []byte, key string, values []string) []byte {
	dst = append(sluice.AppendJSONString(dst, []byte(key)), ':', '[')
	for i, v := range values {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = sluice.AppendJSONString(dst, []byte(v))
	}
	return append(dst, ']')
}
