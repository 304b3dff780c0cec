package config

import (
	"errors"
	"path/filepath"
	"strings"
)

// RecordURL is where jobs are kept: sqlite:FILE.
type RecordURL struct {
	// Path is the SQLite file.
	Path string
}

// UnmarshalText reads sqlite:FILE.
func (u *RecordURL) UnmarshalText(text []byte) error {
	path, found := strings.CutPrefix(string(text), "sqlite:")
	if rest, slashes := strings.CutPrefix(path, "//"); slashes {
		path = rest
		found = found && strings.HasPrefix(rest, "/")
	}
	if !found || path == "" || path == ":memory:" || strings.ContainsAny(path, "?#\x00") {
		return errors.New("it names no file that jobs can be kept in; want sqlite:FILE, such as sqlite:jobs.db, or sqlite:///FILE with an absolute path")
	}
	u.Path = path
	return nil
}

// MarshalText is the address.
func (u RecordURL) MarshalText() ([]byte, error) {
	if u.Path == "" {
		return nil, nil
	}
	return []byte("sqlite:" + u.Path), nil
}

// Resolve makes the path relative to the folder of the file that names it.
func (u *RecordURL) Resolve(dir string) {
	if u.Path != "" && !filepath.IsAbs(u.Path) {
		u.Path = filepath.Join(dir, u.Path)
	}
}
