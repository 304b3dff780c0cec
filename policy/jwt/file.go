package jwt

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"
)

// file is keys in a file, which is read again when it changes.
type file struct {
	path string
	now  func() time.Time
}

// fileFresh is how often a file is looked at.
const fileFresh = 2 * time.Second

// load reads the file, unless its size and its time are those of the known version. A file that was changed just now
// is read again, since its time may be too coarse to tell the next change.
func (f *file) load(_ context.Context, known string) (loaded, error) {
	info, err := os.Stat(f.path)
	if err != nil {
		return loaded{}, err
	}
	if !info.Mode().IsRegular() {
		return loaded{}, fmt.Errorf("%s is no file", f.path)
	}
	l := loaded{fresh: fileFresh}
	if f.now().Sub(info.ModTime()).Abs() > fileFresh {
		l.version = fmt.Sprintf("%d %d", info.ModTime().UnixNano(), info.Size())
	}
	if known != "" && known == l.version {
		return l, nil
	}
	l.text, err = readFile(f.path)
	return l, err
}

func readFile(path string) ([]byte, error) {
	open, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer open.Close()
	text, err := io.ReadAll(io.LimitReader(open, maxSet+1))
	if err == nil && len(text) > maxSet {
		err = fmt.Errorf("%s is longer than %d bytes", path, maxSet)
	}
	return text, err
}
