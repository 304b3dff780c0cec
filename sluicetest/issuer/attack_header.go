package issuer

import (
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"strings"
)

func (f *forger) headerAttacks() []Attack {
	es, rs := f.keys["ES256"], f.keys["RS256"]
	stranger := must(NewKey("ES256", es.ID))
	jwk := must(json.Marshal(stranger.JWK()))
	der := must(x509.MarshalPKIXPublicKey(rs.Public()))
	public := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	confused := func(secret []byte, header string) string {
		k := &Key{Alg: "HS256", ID: rs.ID, Private: secret}
		if header == "" {
			header = k.Header()
		}
		return f.withHeader(k, header)
	}
	none := func(alg string) string {
		return strings.TrimSuffix(f.withHeader(es, `{"alg":"`+alg+`","kid":"`+es.ID+`"}`), ".")
	}
	return []Attack{
		{"alg none", none("none")},
		{"alg None", none("None")},
		{"alg nOnE", none("nOnE")},
		{"alg none without a signature", none("none")[:strings.LastIndexByte(none("none"), '.')+1]},
		{"alg missing", f.withHeader(es, `{"kid":"`+es.ID+`"}`)},
		{"alg in lower case", f.withHeader(es, `{"alg":"es256","kid":"`+es.ID+`"}`)},
		{"alg a list", f.withHeader(es, `{"alg":["ES256"],"kid":"`+es.ID+`"}`)},
		{"alg of JWE", f.withHeader(es, `{"alg":"RSA-OAEP","kid":"`+es.ID+`"}`)},
		{"alg of another hash", f.withHeader(es, `{"alg":"ES384","kid":"`+es.ID+`"}`)},
		{"alg PS256 with the key of RS256", f.withHeader(&Key{Alg: "PS256", ID: rs.ID, Private: rs.Private}, `{"alg":"PS256","kid":"`+rs.ID+`"}`)},
		{"public RSA key as a secret, PEM", confused(public, "")},
		{"public RSA key as a secret, DER", confused(der, "")},
		{"public RSA key as a secret, said to be RS256", confused(public, rs.Header())},
		{"a key offered in jwk", f.withHeader(stranger, headerWith(stranger, `"jwk":`+string(jwk)))},
		{"a key offered in jku", f.withHeader(stranger, headerWith(stranger, `"jku":"https://evil.example/keys"`))},
		{"a key offered in x5u", f.withHeader(stranger, headerWith(stranger, `"x5u":"https://evil.example/cert"`))},
		{"a key offered in x5c", f.withHeader(stranger, headerWith(stranger, `"x5c":["MIIB"]`))},
		{"a stranger's key", stranger.Token(f.good(nil))},
		{"crit", f.withHeader(es, headerWith(es, `"crit":["exp"],"exp":1`))},
		{"crit that is empty", f.withHeader(es, headerWith(es, `"crit":[]`))},
		{"b64 false", f.withHeader(es, headerWith(es, `"b64":false`))},
		{"zip", f.withHeader(es, headerWith(es, `"zip":"DEF"`))},
		{"enc", f.withHeader(es, headerWith(es, `"enc":"A128GCM"`))},
		{"kid unknown", f.withHeader(es, `{"alg":"ES256","kid":"other"}`)},
		{"kid a number", f.withHeader(es, `{"alg":"ES256","kid":7}`)},
		{"kid very long", f.withHeader(es, `{"alg":"ES256","kid":"`+strings.Repeat("a", 257)+`"}`)},
		{"kid a path", f.withHeader(es, `{"alg":"ES256","kid":"../../dev/null"}`)},
		{"typ a number", f.withHeader(es, `{"alg":"ES256","kid":"`+es.ID+`","typ":1}`)},
		{"typ of another sort", f.withHeader(es, `{"alg":"ES256","kid":"`+es.ID+`","typ":"dpop+jwt"}`)},
		{"header an array", f.withHeader(es, `["ES256"]`)},
		{"header twice", f.withHeader(es, es.Header()+es.Header())},
		{"header with a member twice", f.withHeader(es, headerWith(es, `"alg":"ES256"`))},
		{"header with a member twice, one escaped", f.withHeader(es, headerWith(es, `"\u0061lg":"ES256"`))},
		{"header of bad UTF-8", f.withHeader(es, headerWith(es, "\"a\":\"\xff\""))},
		{"header with a lone surrogate", f.withHeader(es, headerWith(es, `"a":"\ud800"`))},
		{"header nested deep", f.withHeader(es, headerWith(es, `"a":`+strings.Repeat("[", 1000)+strings.Repeat("]", 1000)))},
		{"header of many members", f.withHeader(es, headerWith(es, many(100)))},
	}
}

// many are members of an object.
func many(n int) string {
	var all []string
	for i := range n {
		all = append(all, `"m`+big.NewInt(int64(i)).String()+`":1`)
	}
	return strings.Join(all, ",")
}
