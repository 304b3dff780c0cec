package sql

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
)

// URL is the address of a database. It is never printed whole, for it may hold a password.
type URL struct {
	// Path is the SQLite file.
	Path string
}

// UnmarshalText reads sqlite:FILE.
func (u *URL) UnmarshalText(text []byte) error {
	scheme, path, found := strings.Cut(string(text), ":")
	switch {
	case !found:
		return errors.New("it has no scheme; want sqlite:FILE, such as sqlite:shop.db")
	case scheme == "postgres" || scheme == "postgresql":
		return errors.New("PostgreSQL is not served yet; want sqlite:FILE, such as sqlite:shop.db")
	case scheme != "sqlite":
		return fmt.Errorf("unknown scheme %q; want sqlite:FILE, such as sqlite:shop.db", scheme)
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

// MarshalText is the address without what is secret in it.
func (u URL) MarshalText() ([]byte, error) {
	if u.Path == "" {
		return nil, nil
	}
	return []byte("sqlite:" + u.Path), nil
}

// Resolve makes the path relative to the folder of the file that names it.
func (u *URL) Resolve(dir string) {
	if u.Path != "" && !filepath.IsAbs(u.Path) {
		u.Path = filepath.Join(dir, u.Path)
	}
}
