package config

import (
	"errors"
	"path/filepath"
	"strings"

	"github.com/sluiceapi/sluice"
)

// RecordURL is where jobs are kept: sqlite:FILE, or postgres://…. It is never printed whole, for it may hold a password.
type RecordURL struct {
	// Path is the SQLite file, "" for a server.
	Path string
	// Server is the whole address of a PostgreSQL database.
	Server sluice.Secret
}

// UnmarshalText reads sqlite:FILE or postgres://….
func (u *RecordURL) UnmarshalText(text []byte) error {
	scheme, path, found := strings.Cut(string(text), ":")
	if scheme == "postgres" || scheme == "postgresql" {
		u.Server = sluice.Secret(text)
		return nil // what is wrong with it is said when it is opened
	}
	if rest, slashes := strings.CutPrefix(path, "//"); slashes {
		path = rest
		found = found && strings.HasPrefix(rest, "/")
	}
	if !found || scheme != "sqlite" || path == "" || path == ":memory:" || strings.ContainsAny(path, "?#\x00") {
		return errors.New("it names nothing that jobs can be kept in; want sqlite:FILE, such as sqlite:jobs.db, sqlite:///FILE with an absolute path, or postgres://USER:PASSWORD@HOST/NAME")
	}
	u.Path = path
	return nil
}

// MarshalText is the address without what is secret in it.
func (u RecordURL) MarshalText() ([]byte, error) {
	switch {
	case u.Path != "":
		return []byte("sqlite:" + u.Path), nil
	case u.Server != "":
		_, rest, _ := strings.Cut(u.Server.Reveal(), "://")
		rest, options, _ := strings.Cut(rest, "?")
		if strings.Contains(options, "@") {
			rest = ""
		}
		return []byte("postgres://" + rest[strings.LastIndexByte(rest, '@')+1:]), nil
	}
	return nil, nil
}

// String keeps the secret from being printed.
func (u RecordURL) String() string {
	text, _ := u.MarshalText()
	return string(text)
}

// GoString keeps %#v from showing the secret.
func (u RecordURL) GoString() string { return u.String() }

// Resolve makes the path relative to the folder of the file that names it.
func (u *RecordURL) Resolve(dir string) {
	if u.Path != "" && !filepath.IsAbs(u.Path) {
		u.Path = filepath.Join(dir, u.Path)
	}
}
