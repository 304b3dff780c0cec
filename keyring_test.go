package sluice_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/sluiceapi/sluice"
)

func TestKeyringOpensWhatItSealed(t *testing.T) {
	t.Parallel()
	k := sluice.NewKeyring([]sluice.Secret{"", "first", "second"})
	for _, data := range []string{"", "a", "with.dots and \x00 bytes \xff", strings.Repeat("long", 1000)} {
		sealed := k.Seal("cursor", []byte(data))
		if got, err := k.Open("cursor", sealed); err != nil || string(got) != data {
			t.Errorf("%.20q: got %.20q, %v", data, got, err)
		}
		if strings.Trim(sealed, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.") != "" {
			t.Errorf("%.60s cannot stand in a URL", sealed)
		}
	}
}

func TestKeysRotate(t *testing.T) {
	t.Parallel()
	old := sluice.NewKeyring([]sluice.Secret{"old"})
	both := sluice.NewKeyring([]sluice.Secret{"new", "old"})
	fresh := sluice.NewKeyring([]sluice.Secret{"new"})
	if _, err := both.Open("p", old.Seal("p", []byte("x"))); err != nil {
		t.Errorf("the old key does not verify: %v", err)
	}
	if _, err := fresh.Open("p", both.Seal("p", []byte("x"))); err != nil {
		t.Errorf("the first key does not sign: %v", err)
	}
	if _, err := fresh.Open("p", old.Seal("p", []byte("x"))); !errors.Is(err, sluice.ErrForged) {
		t.Errorf("a key that is gone still counts: %v", err)
	}
}

func TestKeyringWithoutKeysIsAlone(t *testing.T) {
	t.Parallel()
	a, b := sluice.NewKeyring(nil), sluice.NewKeyring([]sluice.Secret{""})
	sealed := a.Seal("p", []byte("x"))
	if got, err := a.Open("p", sealed); err != nil || string(got) != "x" {
		t.Errorf("got %q, %v", got, err)
	}
	if _, err := b.Open("p", sealed); !errors.Is(err, sluice.ErrForged) {
		t.Errorf("got %v", err)
	}
}

func TestForgeriesAreRefused(t *testing.T) {
	t.Parallel()
	k := sluice.NewKeyring([]sluice.Secret{"first", "second"})
	sealed := k.Seal("p", []byte("data"))
	parts := strings.Split(sealed, ".")
	join := func(parts ...string) string { return strings.Join(parts, ".") }
	forged := []string{
		"", ".", "...", "v1", sealed + ".", "." + sealed, sealed + "\n", sealed + "\r\n", sealed + "=", sealed + " ", sealed[:len(sealed)-1],
		join("v2", parts[1], parts[2], parts[3]), join(parts[0], "00000000", parts[2], parts[3]),
		join(parts[0], parts[1], parts[2]+"A", parts[3]), join(parts[0], parts[1], parts[2], ""), join(parts[0], parts[1], "", parts[3]),
		join(parts[0], parts[1], parts[2]+"\n", parts[3]), join(parts[0], parts[1], parts[2], parts[3][:10]+"\n"+parts[3][10:]),
	}
	for i := range sealed {
		for _, c := range []byte{sealed[i] ^ 1, sealed[i] ^ 2, sealed[i] ^ 0x80} {
			forged = append(forged, sealed[:i]+string([]byte{c})+sealed[i+1:])
		}
	}
	for _, text := range forged {
		if got, err := k.Open("p", text); !errors.Is(err, sluice.ErrForged) {
			t.Errorf("%q opens as %q, %v", text, got, err)
		}
	}
	if _, err := k.Open("q", sealed); !errors.Is(err, sluice.ErrForged) {
		t.Errorf("it opens for another purpose: %v", err)
	}
}

// FuzzKeyringOpen looks for text that opens and was not sealed.
func FuzzKeyringOpen(f *testing.F) {
	k := sluice.NewKeyring([]sluice.Secret{"first", "second"})
	f.Add("p", k.Seal("p", []byte("data")))
	f.Add("", "v1..x.")
	f.Fuzz(func(t *testing.T, purpose, text string) {
		data, err := k.Open(purpose, text)
		if err != nil {
			if data != nil || !errors.Is(err, sluice.ErrForged) {
				t.Fatalf("%q gives %q, %v", text, data, err)
			}
			return
		}
		if again := k.Seal(purpose, data); again != text {
			t.Fatalf("%q opens, and %q was sealed", text, again)
		}
	})
}
