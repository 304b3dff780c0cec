package pemfile

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sluiceapi/sluice/sluicetest/output"
	"github.com/sluiceapi/sluice/sluicetest/servers"
)

func TestCertificates(t *testing.T) {
	t.Parallel()
	a, b := servers.NewAuthority(t, "a"), servers.NewAuthority(t, "b")
	join := func(texts ...[]byte) []byte { return bytes.Join(texts, []byte("# a comment\n")) }
	for name, c := range map[string]struct {
		text []byte
		n    int
		want string
	}{
		"one":                       {a.CertPEM, 1, ""},
		"two, and a key":            {join(a.CertPEM, a.KeyPEM, b.CertPEM), 2, ""},
		"nothing":                   {nil, 0, "no certificate in it"},
		"a key":                     {a.KeyPEM, 0, "no certificate in it"},
		"the first is cut off":      {join(a.CertPEM[:100], b.CertPEM), 0, "of 2 certificates only 1 can be read"},
		"the second is cut off":     {join(a.CertPEM, b.CertPEM[:100]), 0, "of 2 certificates only 1 can be read"},
		"the second is no base64":   {join(a.CertPEM, bytes.Replace(b.CertPEM, []byte("MII"), []byte("?II"), 1)), 0, "of 2 certificates only 1 can be read"},
		"the second is no X.509":    {join(a.CertPEM, []byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")), 0, "certificate 2: x509: "},
		"lines end as on Windows":   {bytes.ReplaceAll(a.CertPEM, []byte("\n"), []byte("\r\n")), 1, ""},
		"without the last line end": {bytes.TrimSpace(a.CertPEM), 1, ""},
	} {
		certs, err := Certificates(c.text)
		if len(certs) != c.n || (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %d certificates, %v; want %d, %s", name, len(certs), err, c.n, c.want)
		}
	}
}

func FuzzCertificates(f *testing.F) {
	a := servers.NewAuthority(f, "a")
	f.Add(a.CertPEM)
	f.Add(append(a.CertPEM, a.CertPEM[:100]...))
	f.Fuzz(func(t *testing.T, text []byte) {
		certs, err := Certificates(text)
		if (err == nil) != (len(certs) > 0) {
			t.Errorf("%d certificates, %v", len(certs), err)
		}
		if begun := bytes.Count(text, []byte("-----BEGIN CERTIFICATE-----")); err == nil && begun > len(certs) {
			t.Errorf("%d certificates of %d", len(certs), begun)
		}
	})
}

// follower follows a certificate with its key, and tells of what it took.
type follower struct {
	*Follower
	cert, key string
	taken     chan string
	log       output.Text
}

func follow(t *testing.T, cert, key string) *follower {
	t.Helper()
	f := &follower{cert: cert, key: key, taken: make(chan string, 100)}
	var err error
	f.Follower, err = Follow(slog.New(slog.NewTextHandler(&f.log, nil)), []string{cert, key, "", cert}, func(c Content) error {
		pair, err := c.Pair(cert, key)
		if err == nil {
			f.taken <- pair.Leaf.Subject.CommonName
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.Close)
	return f
}

func (f *follower) await(t *testing.T, want string) {
	t.Helper()
	select {
	case got := <-f.taken:
		if got != want {
			t.Fatalf("took %q, want %q", got, want)
		}
	case <-time.After(20 * time.Second):
		t.Fatalf("%q was not taken", want)
	}
}

func write(t *testing.T, file string, text []byte) {
	t.Helper()
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestFollow(t *testing.T) {
	t.Parallel()
	dir, a := t.TempDir(), servers.NewAuthority(t, "a")
	first, second, third := a.Issue(servers.Leaf{CommonName: "first"}), a.Issue(servers.Leaf{CommonName: "second"}), a.Issue(servers.Leaf{CommonName: "third"})
	cert, key := filepath.Join(dir, "cert"), filepath.Join(dir, "key")
	write(t, cert, first.CertPEM)
	write(t, key, first.KeyPEM)
	f := follow(t, cert, key)
	f.await(t, "first")

	// A certificate whose key is not there yet is told of once, and what was before stays.
	write(t, cert, second.CertPEM)
	f.log.Await(t, "private key does not match", 1)
	write(t, key, second.KeyPEM)
	f.await(t, "second")
	if n := strings.Count(f.log.String(), "level=ERROR"); n != 1 {
		t.Errorf("%d errors are logged, want 1:\n%s", n, f.log.String())
	}

	// A file that is gone changes nothing, and one that comes back is taken.
	if err := os.Remove(key); err != nil {
		t.Fatal(err)
	}
	write(t, cert, third.CertPEM)
	write(t, key, third.KeyPEM)
	f.await(t, "third")
	f.Close()
	f.Close()
	if len(f.taken) > 0 {
		t.Errorf("%q was taken, too", <-f.taken)
	}
}

// Kubernetes swaps a link to the folder of all files.
func TestFollowThroughLinks(t *testing.T) {
	t.Parallel()
	dir, a := t.TempDir(), servers.NewAuthority(t, "a")
	for _, name := range []string{"first", "second"} {
		c := a.Issue(servers.Leaf{CommonName: name})
		folder := filepath.Join(dir, name)
		if err := os.Mkdir(folder, 0o700); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(folder, "cert"), c.CertPEM)
		write(t, filepath.Join(folder, "key"), c.KeyPEM)
	}
	data := filepath.Join(dir, "data")
	swap := func(to string) {
		if err := errors.Join(os.Symlink(to, data+".new"), os.Rename(data+".new", data)); err != nil {
			t.Fatal(err)
		}
	}
	swap("first")
	f := follow(t, filepath.Join(data, "cert"), filepath.Join(data, "key"))
	f.await(t, "first")
	swap("second")
	f.await(t, "second")
	swap("first")
	f.await(t, "first")
}

func TestFollowTellsWhatIsWrongAtFirst(t *testing.T) {
	t.Parallel()
	if _, err := Follow(slog.New(slog.DiscardHandler), []string{"none.pem"}, func(Content) error { return nil }); err == nil || !strings.Contains(err.Error(), "none.pem") {
		t.Errorf("a file that is not there: %v", err)
	}
	broken := errors.New("broken")
	if _, err := Follow(slog.New(slog.DiscardHandler), []string{"pemfile.go"}, func(Content) error { return broken }); !errors.Is(err, broken) {
		t.Errorf("a file that is not taken: %v", err)
	}
}
