package issuer

import (
	"strings"
	"time"
)

func (f *forger) payloadAttacks() []Attack {
	k := f.keys["EdDSA"]
	with := func(member string) string {
		return withPayload(k, `{`+f.whose()+`,"exp":9999999999,`+member+`}`)
	}
	claim := func(name string, value any) string {
		return k.Token(f.good(func(c map[string]any) {
			if c[name] = value; value == nil {
				delete(c, name)
			}
		}))
	}
	exp := func(raw string) string {
		return withPayload(k, `{`+f.whose()+`,"exp":`+raw+`}`)
	}
	now := time.Now().Unix()
	return []Attack{
		{"payload no JSON", withPayload(k, "hello")},
		{"payload an array", withPayload(k, `[{}]`)},
		{"payload a string", withPayload(k, `"a"`)},
		{"payload null", withPayload(k, `null`)},
		{"payload with trailing bytes", withPayload(k, `{"exp":9999999999}{}`)},
		{"payload with a trailing NUL", withPayload(k, "{\"exp\":9999999999}\x00")},
		{"payload with a byte order mark", withPayload(k, "\ufeff{}")},
		{"payload of bad UTF-8", with("\"a\":\"\xc3\x28\"")},
		{"payload with a lone surrogate", with(`"a":"\udc00"`)},
		{"claim twice", with(`"sub":"admin"`)},
		{"claim twice, one escaped", with(`"\u0073ub":"admin"`)},
		{"claim twice, deep inside", with(`"a":{"b":[{"c":1,"c":2}]}`)},
		{"claims nested deep", with(`"a":` + strings.Repeat(`{"a":`, 500) + "1" + strings.Repeat("}", 500))},
		{"NaN", with(`"a":NaN`)},
		{"number with a zero before it", with(`"a":01`)},
		{"a comma too many", with(`"a":1,`)},
		{"a comment", with(`"a":1/**/`)},
		{"exp missing", claim("exp", nil)},
		{"exp null", exp("null")},
		{"exp a string", exp(`"9999999999"`)},
		{"exp true", exp(`true`)},
		{"exp a list", exp(`[9999999999]`)},
		{"exp huge", exp(`99999999999999999999`)},
		{"exp beyond the numbers", exp(`1e999`)},
		{"exp of 64 bits and more", exp(`18446744073709551617`)},
		{"exp below zero", exp(`-1`)},
		{"expired", claim("exp", now-31)},
		{"expired at the second", claim("exp", now-30)},
		{"nbf a string", claim("nbf", "0")},
		{"nbf in the future", claim("nbf", now+600)},
		{"iat a string", claim("iat", "0")},
		{"iat in the future", claim("iat", now+600)},
		{"iss missing", claim("iss", nil)},
		{"iss of another", claim("iss", f.issuer()+"/")},
		{"iss a list", claim("iss", []string{f.issuer()})},
		{"aud missing", claim("aud", nil)},
		{"aud of another", claim("aud", f.audience()+"2")},
		{"aud in other case", claim("aud", strings.ToUpper(f.audience()))},
		{"aud a list of others", claim("aud", []string{"a", "b"})},
		{"aud a number", claim("aud", 7)},
		{"aud a list with a number", claim("aud", []any{f.audience(), 7})},
		{"aud an object", claim("aud", map[string]any{f.audience(): true})},
		{"sub missing", claim("sub", nil)},
		{"sub empty", claim("sub", "")},
		{"sub a number", claim("sub", 7)},
		{"scope a number", claim("scope", 7)},
	}
}
