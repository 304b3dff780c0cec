package sql

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/backend/sql/postgres/cluster"
)

// URL is the address of a database. It is never printed whole, for it may hold a password.
type URL struct {
	// Path is the SQLite file, "" for a server.
	Path string
	// Server is the whole address of PostgreSQL servers.
	Server sluice.Secret
	// dir is the folder that its certificates' paths are relative to.
	dir string
}

// UnmarshalText reads sqlite:FILE or postgres://….
func (u *URL) UnmarshalText(text []byte) error {
	const want = "want sqlite:FILE, such as sqlite:shop.db, or postgres://HOST/NAME"
	scheme, path, found := strings.Cut(string(text), ":")
	switch {
	case !found:
		return errors.New("it has no scheme; " + want)
	case scheme == "postgres" || scheme == "postgresql":
		u.Server = sluice.Secret(text)
		return nil // what is wrong with it is said when the folder of its certificates is known
	case scheme != "sqlite":
		return fmt.Errorf("unknown scheme %q; %s", scheme, want)
	}
	if rest, found := strings.CutPrefix(path, "//"); found {
		if !strings.HasPrefix(rest, "/") {
			return errors.New("a file has no host; want sqlite:FILE, or sqlite:///FILE with an absolute path")
		}
		path = rest
	}
	switch {
	case path == "" || path == ":memory:":
		return errors.New("it names no file; want sqlite:FILE, such as sqlite:shop.db")
	case strings.ContainsAny(path, "?#\x00"):
		return errors.New("the path of the file cannot hold ?, # or NUL; options stand in keys of their own")
	}
	u.Path = path
	return nil
}

// servers are those that the address names. What it says of certificates is read.
func (u *URL) servers() ([]cluster.Server, error) { return cluster.Parse(u.Server.Reveal(), u.dir) }

// MarshalText is the address without what is secret in it.
func (u URL) MarshalText() ([]byte, error) {
	switch {
	case u.Path != "":
		return []byte("sqlite:" + u.Path), nil
	case u.Server != "":
		return []byte(u.shown()), nil
	}
	return nil, nil
}

// shown is the address of servers without user, password and options. Where a ? stands before the user's end it may be
// the password's, and nothing is shown.
func (u URL) shown() string {
	_, rest, _ := strings.Cut(u.Server.Reveal(), "://")
	rest, options, _ := strings.Cut(rest, "?")
	at := strings.LastIndexByte(rest, '@')
	if at < 0 && strings.Contains(options, "@") {
		return "postgres://"
	}
	return "postgres://" + rest[at+1:]
}

// String keeps the secret from being printed.
func (u URL) String() string {
	text, _ := u.MarshalText()
	return string(text)
}

// GoString keeps %#v from showing the secret.
func (u URL) GoString() string { return u.String() }

func (u *URL) isZero() bool { return u.Path == "" && u.Server == "" }

func (u *URL) isFile() bool { return u.Path != "" }

// Resolve makes the path relative to the folder of the file that names it.
func (u *URL) Resolve(dir string) {
	u.dir = dir
	if u.Path != "" && !filepath.IsAbs(u.Path) {
		u.Path = filepath.Join(dir, u.Path)
	}
}
