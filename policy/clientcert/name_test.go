package clientcert

import (
	"crypto/x509/pkix"
	"encoding/asn1"
	"strings"
	"testing"
)

// der is the DER of a name whose relative names are given most significant first.
func der(t testing.TB, parts ...derRelativeNameSET) []byte {
	t.Helper()
	raw, err := asn1.Marshal(parts)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// part is an attribute with a text of that ASN.1 type.
func part(oid asn1.ObjectIdentifier, tag int, text string) derAttribute {
	return derAttribute{Type: oid, Value: asn1.RawValue{Tag: tag, Bytes: []byte(text)}}
}

var (
	commonName = asn1.ObjectIdentifier{2, 5, 4, 3}
	unit       = asn1.ObjectIdentifier{2, 5, 4, 11}
	private    = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 99999, 1}
)

func TestNameOf(t *testing.T) {
	t.Parallel()
	one := func(a ...derAttribute) []byte { return der(t, derRelativeNameSET(a)) }
	for want, raw := range map[string][]byte{
		"":                      der(t),
		"CN=a":                  one(part(commonName, asn1.TagPrintableString, "a")),
		"CN=a,OU=b":             der(t, derRelativeNameSET{part(unit, asn1.TagUTF8String, "b")}, derRelativeNameSET{part(commonName, asn1.TagUTF8String, "a")}),
		"CN=a+OU=b":             one(part(commonName, asn1.TagUTF8String, "a"), part(unit, asn1.TagUTF8String, "b")),
		`CN=\20a b\20`:          one(part(commonName, asn1.TagUTF8String, " a b ")),
		`CN=\#a#`:               one(part(commonName, asn1.TagUTF8String, "#a#")),
		`CN=a\,CN=b\+c`:         one(part(commonName, asn1.TagUTF8String, "a,CN=b+c")),
		`CN=a\00\0A\\20`:        one(part(commonName, asn1.TagUTF8String, "a\x00\n\\20")),
		"CN=é":                  one(part(commonName, asn1.TagUTF8String, "é")),
		"CN=#0c01ff":            one(part(commonName, asn1.TagUTF8String, "\xff")),
		"CN=#020107":            one(part(commonName, asn1.TagInteger, "\x07")),
		"1.3.6.1.4.1.99999.1=a": one(part(private, asn1.TagUTF8String, "a")),
	} {
		n, err := nameOf(raw)
		if err != nil || n.String() != want {
			t.Errorf("%q, %v; want %q", n, err, want)
		}
		if want == "" {
			continue
		}
		if back, err := parseName(want); err != nil || !back.equal(n) {
			t.Errorf("%q is read as %q, %v", want, back, err)
		}
	}
	for _, bad := range [][]byte{nil, {0x30}, append(der(t), 0), {0x04, 0}} {
		if n, err := nameOf(bad); err == nil {
			t.Errorf("%x is read as %q", bad, n)
		}
	}
}

func TestParseName(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"CN=a": "CN=a", "cn=a,ou=b": "CN=a,OU=b", "2.5.4.3=a": "CN=a", `CN=\C3\A9`: "CN=é", `CN=a\ `: `CN=a\20`, "CN=": "CN=",
		`CN=a\,b,O=c\+d+L=e`: `CN=a\,b,O=c\+d+L=e`, "CN=#0c0161": "CN=a", "CN=a=b": "CN=a=b", "EMAILADDRESS=a@b": "emailAddress=a@b",
	} {
		if n, err := parseName(text); err != nil || n.String() != want {
			t.Errorf("%q is read as %q, %v; want %q", text, n, err, want)
		}
	}
	for text, want := range map[string]string{
		"": "has no =", "a": "has no =", "CN=a,": "has no =", "CN=a, OU=b": `" OU" is no type`, "X=a": `"X" is no type`, "2.05=a": "is no type",
		"CN= a": "a space", "CN=a ": "a space", "CN=a +OU=b": "a space", `CN=a\`: "behind a backslash", `CN=a\x`: "behind a backslash",
		`CN="a"`: "without a backslash", "CN=a;OU=b": "without a backslash", "CN=#": "DER of one value", "CN=#0c": "DER", "CN=#0c0161ff": "DER",
		"CN=#xy": "not in hex", `CN=\FF`: "not UTF-8",
	} {
		if n, err := parseName(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is read as %q, %v; want an error with %q", text, n, err, want)
		}
	}
}

func TestNamesAreEqual(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{"CN=a+OU=b", "OU=b+CN=a", true}, {"CN=a,OU=b", "OU=b,CN=a", false}, {"CN=a", "CN=a,OU=b", false}, {"CN=a+CN=b", "CN=a+CN=a", false},
		{"CN=a", "CN=A", false}, {"CN=a  b", "CN=a b", false}, {`CN=\20a`, `CN=\ a`, true}, {"CN=a", "OU=a", false},
	} {
		a, errA := parseName(c.a)
		b, errB := parseName(c.b)
		if errA != nil || errB != nil {
			t.Fatal(errA, errB)
		}
		if a.equal(b) != c.want || b.equal(a) != c.want {
			t.Errorf("%s is %s: want %v", c.a, c.b, c.want)
		}
	}
}

// Every name that is read is written in a way that is read as the same name, and names that are written alike are equal.
func FuzzName(f *testing.F) {
	for _, text := range []string{"CN=a,OU=b", `CN=a\,b+OU=\20x\0A`, "CN=#0c0161", "1.2.3=#020107", `CN=\\20`, "C=DE,O= "} {
		f.Add(text, []byte(nil))
	}
	raw, err := asn1.Marshal(pkix.Name{CommonName: "a", Organization: []string{"b", "c"}}.ToRDNSequence())
	if err != nil {
		f.Fatal(err)
	}
	f.Add("CN=a", raw)
	f.Fuzz(func(t *testing.T, text string, raw []byte) {
		n, err := parseName(text)
		check(t, n, err)
		m, err := nameOf(raw)
		check(t, m, err)
		if len(n) > 0 && n.String() == m.String() && !n.equal(m) {
			t.Errorf("%q is written of two names: %#v and %#v", n, n, m)
		}
	})
}

func check(t *testing.T, n name, err error) {
	if err != nil || len(n) == 0 {
		return
	}
	back, err := parseName(n.String())
	if err != nil || !back.equal(n) {
		t.Errorf("%#v is written %q, which is read as %#v, %v", n, n, back, err)
	}
	if strings.Contains(strings.ReplaceAll(n.String(), " ", `\20`), " ") {
		t.Errorf("%q holds a space", n)
	}
}
