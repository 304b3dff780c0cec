package issuer

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"
)

// Attack is a token that must be refused. It differs from a good one in one thing.
type Attack struct {
	// Name says in what; no two attacks have one name.
	Name  string
	Token string
}

// Attacks are what RFC 8725 warns of, and what readers of tokens were found to take: against a verifier that has the
// public keys of these, by algorithm, asks for the issuer and the one audience of these claims, and for sub, and
// allows clocks to differ by 30 seconds. The claims are good ones, as Claims has them. The keys ES256, RS256, PS256
// and EdDSA must be there.
func Attacks(keys map[string]*Key, claims map[string]any) []Attack {
	f := &forger{keys, claims}
	all := append(f.headerAttacks(), f.signatureAttacks()...)
	return append(append(all, f.formAttacks()...), f.payloadAttacks()...)
}

// forger makes tokens that differ from good ones.
type forger struct {
	keys   map[string]*Key
	claims map[string]any
}

func (f *forger) issuer() string   { return f.claims["iss"].(string) }
func (f *forger) audience() string { return f.claims["aud"].(string) }

// whose are the members of good claims that say from whom to whom, as text.
func (f *forger) whose() string {
	return fmt.Sprintf(`"iss":%q,"aud":%q,"sub":"ann"`, f.issuer(), f.audience())
}

// good are the good claims, changed.
func (f *forger) good(change func(c map[string]any)) map[string]any {
	c := maps.Clone(f.claims)
	if change != nil {
		change(c)
	}
	return c
}

func (f *forger) payload() string { return string(must(json.Marshal(f.claims))) }

// withHeader is a good token of a key with another header, signed by the key.
func (f *forger) withHeader(k *Key, header string) string { return Join(header, f.payload(), k.Sign) }

// withPayload is a token of a key with any payload, signed by the key.
func withPayload(k *Key, payload string) string { return Join(k.Header(), payload, k.Sign) }

// withSignature is a good token of a key with another signature.
func (f *forger) withSignature(k *Key, change func(signed, signature []byte) []byte) string {
	return Join(k.Header(), f.payload(), func(signed []byte) []byte { return change(signed, k.Sign(signed)) })
}

// headerWith is the header of a key with one more member.
func headerWith(k *Key, member string) string {
	return strings.TrimSuffix(k.Header(), "}") + "," + member + "}"
}

func (f *forger) formAttacks() []Attack {
	k := f.keys["ES256"]
	token := k.Token(f.good(nil))
	parts := strings.Split(token, ".")
	// sloppy sets a bit that is beyond the last byte; the part must have one.
	sloppy := func(part string) string {
		const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
		last := strings.IndexByte(alphabet, part[len(part)-1])
		return part[:len(part)-1] + alphabet[last|1:last|1+1]
	}
	header := `{"alg":"ES256","kid":"` + k.ID + `"}`
	for len(header)%3 == 0 { // such a length leaves no bits to spare
		header += " "
	}
	spare := strings.Split(f.withHeader(k, header), ".")
	return []Attack{
		{"empty", ""},
		{"one part", parts[0]},
		{"two parts", parts[0] + "." + parts[1]},
		{"four parts", token + "." + parts[2]},
		{"five parts, as JWE", strings.Join(append(parts[:3:3], parts[0], parts[1]), ".")},
		{"no header", "." + parts[1] + "." + parts[2]},
		{"no payload", parts[0] + ".." + parts[2]},
		{"no signature", parts[0] + "." + parts[1] + "."},
		{"thousands of dots", strings.Repeat(".", 8000)},
		{"dots behind a good token", token + strings.Repeat(".", 1000)},
		{"too long", token + strings.Repeat("A", 8<<10)},
		{"padding", parts[0] + "." + parts[1] + "." + parts[2] + "=="},
		{"padding in the header", parts[0] + "=." + parts[1] + "." + parts[2]},
		{"standard base64", strings.NewReplacer("-", "+", "_", "/").Replace(token) + "+"},
		{"a line end", parts[0] + "." + parts[1] + "\n." + parts[2]},
		{"a space", parts[0] + "." + parts[1] + " ." + parts[2]},
		{"a NUL", token + "\x00"},
		{"a character less in the signature", parts[0] + "." + parts[1] + "." + parts[2][:len(parts[2])-1]},
		{"spare bits in the header", sloppy(spare[0]) + "." + spare[1] + "." + spare[2]},
		{"spare bits in the signature", parts[0] + "." + parts[1] + "." + sloppy(parts[2])},
		{"flattened JSON", `{"protected":"` + parts[0] + `","payload":"` + parts[1] + `","signature":"` + parts[2] + `"}`},
		{"general JSON", `{"payload":"` + parts[1] + `","signatures":[{"protected":"` + parts[0] + `","signature":"` + parts[2] + `"}]}`},
	}
}
