package static

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"
	"time"

	"github.com/sluiceapi/sluice"
)

// index is the file that is sent for a folder.
const index = "index.html"

// files sends the files of a folder. The folder is held open: what is looked up in it cannot leave it, by dots or by
// links, whatever is changed in the meantime.
type files struct {
	root *os.Root
	// rest is the parameter of the route that says which file, where path does not.
	rest     string
	path     *sluice.Template
	dotfiles bool
	fields   fields
	now      func() time.Time
	types    types
	missing  error
}

func openFiles(env *sluice.Env, ep *sluice.Endpoint, use *Use) (sluice.Handler, error) {
	f := &files{dotfiles: use.Dotfiles, fields: makeFields(use.Headers), now: env.Now, types: makeTypes(),
		missing: &sluice.Error{Code: sluice.NotFound, Message: "there is no such file"}}
	if use.Path.IsZero() {
		var err error
		if f.rest, err = restOf(ep.Routes); err != nil {
			return nil, sluice.At("files", err)
		}
	} else {
		f.path = &use.Path
	}
	root, err := os.OpenRoot(string(use.Files))
	if err != nil {
		return nil, sluice.At("files", fmt.Errorf("open the folder: %w", err))
	}
	f.root = root
	env.Cleanup(func() { root.Close() })
	return f, nil
}

// restOf is the name of the parameter that takes the rest of the path, which all routes must have.
func restOf(routes []string) (string, error) {
	name := ""
	for _, route := range routes {
		start, found := strings.LastIndexByte(route, '{'), strings.HasSuffix(route, "...}")
		if !found || start < 0 {
			return "", fmt.Errorf("the route %s does not say which file; want it to end with {rest...}, or path", route)
		}
		last := strings.TrimSuffix(route[start+1:], "...}")
		if name != "" && name != last {
			return "", fmt.Errorf("the routes say which file by {%s...} and by {%s...}; want one name", name, last)
		}
		name = last
	}
	return name, nil
}

// Serve sends the file that the exchange asks for.
func (f *files) Serve(x *sluice.Exchange) error {
	asked := f.asked(x)
	name := strings.TrimSuffix(asked, "/")
	if !f.allowed(name) {
		return f.missing
	}
	file, info, err := f.open(name)
	if err != nil {
		return f.failure(err)
	}
	if info.IsDir() {
		file.Close()
		if f.path == nil && name != "" && name == asked {
			return redirect(x)
		}
		name = path.Join(name, index)
		if file, info, err = f.open(name); err != nil {
			return f.failure(err)
		}
	} else if name != asked {
		file.Close()
		return f.missing
	}
	if !info.Mode().IsRegular() {
		file.Close()
		return f.missing
	}
	return f.send(x, &opened{file: file, name: name, size: info.Size(), changed: info.ModTime()})
}

// opened is a file that is about to be sent.
type opened struct {
	file    *os.File
	name    string
	size    int64
	changed time.Time
}

func (f *files) asked(x *sluice.Exchange) string {
	if f.path != nil {
		var space [scratch]byte
		return string(f.path.Append(space[:0], x))
	}
	raw, _ := x.Request.Param(f.rest)
	return string(x.Unescape(raw))
}

// allowed tells whether a name can be that of a file that is sent: no dots that lead elsewhere, no empty parts, and
// nothing hidden. The empty name is the folder itself.
func (f *files) allowed(name string) bool {
	if name == "" {
		return true
	}
	if !fs.ValidPath(name) || name == "." || strings.ContainsAny(name, "\\\x00") {
		return false
	}
	for part := range strings.SplitSeq(name, "/") {
		if part[0] == '.' && part != ".well-known" && !f.dotfiles {
			return false
		}
	}
	return true
}

// open opens a file or a folder. What is neither, such as a pipe, is not opened, for that could wait for ever.
func (f *files) open(name string) (*os.File, fs.FileInfo, error) {
	if name == "" {
		name = "."
	}
	info, err := f.root.Stat(name)
	if err != nil {
		return nil, nil, err
	}
	if !info.Mode().IsRegular() && !info.IsDir() {
		return nil, nil, fs.ErrNotExist
	}
	file, err := f.root.Open(name)
	if err != nil {
		return nil, nil, err
	}
	if info, err = file.Stat(); err != nil {
		file.Close()
		return nil, nil, err
	}
	return file, info, nil
}

// failure is what a client may know of a file that cannot be opened: nothing but that it is not there. What is wrong
// with the machine is not the client's doing.
func (f *files) failure(err error) error {
	if broken(err) {
		return sluice.Errorf(sluice.Internal, err, "")
	}
	return f.missing
}

// redirect sends the client of a folder to the same path with a slash behind it, so that the links in its
// index.html are relative to the folder.
func redirect(x *sluice.Exchange) error {
	r := &x.Response
	location := append([]byte(nil), x.Request.Path...)
	location = append(location, '/')
	if len(x.Request.Query) > 0 {
		location = append(append(location, '?'), x.Request.Query...)
	}
	r.Status = 308
	r.Header.SetBytes("Location", location)
	r.Body.SetBytes(nil)
	return nil
}

// send answers with the file, with a part of it, or that the client has it already. It takes the file over.
func (f *files) send(x *sluice.Exchange, o *opened) error {
	s := &section{file: o.file}
	r := &x.Response
	h := &r.Header
	tag := o.tag(f.now())
	modified := []byte(o.changed.UTC().Format(timeFormat))
	verdict := judge(x, tag, o.changed)
	if verdict == failed {
		s.Close(nil)
		return &sluice.Error{Code: sluice.PreconditionFailed, Message: "the file is no longer what the request wants it to be"}
	}
	h.SetBytes("ETag", tag)
	h.SetBytes("Last-Modified", modified)
	if err := f.fields.set(x); err != nil {
		s.Close(err)
		return err
	}
	if verdict == unchanged {
		s.Close(nil)
		r.Status = 304
		r.Body.SetBytes(nil)
		return nil
	}
	h.Set("Accept-Ranges", "bytes")
	if !h.Has("Content-Type") {
		h.Set("Content-Type", f.types.of(o.name))
	}
	if !h.Has("X-Content-Type-Options") {
		h.Set("X-Content-Type-Options", "nosniff")
	}
	from, size := int64(0), o.size
	if x.Request.Method == "GET" && rangeHolds(&x.Request.Header, tag, o.changed) {
		part, kind := parseRange(x.Request.Header.Value("Range"), o.size)
		switch kind {
		case outside:
			s.Close(nil)
			return &sluice.Error{Code: sluice.RangeNotSatisfiable, Message: "the file ends before the range",
				Header: []sluice.Field{{Name: []byte("Content-Range"), Value: fmt.Appendf(nil, "bytes */%d", o.size)}}}
		case inside:
			r.Status = 206
			h.SetBytes("Content-Range", fmt.Appendf(nil, "bytes %d-%d/%d", part.first, part.last, o.size))
			from, size = part.first, part.last-part.first+1
		}
	}
	s.at, s.left = from, size
	r.Body.SetStream(s, size)
	return nil
}

// tag is an entity tag of size and time of the last change. It is strong once the file has rested for a while: two
// changes at one tick of the file system's clock could leave it the same (RFC 9110, section 8.8.2.2).
func (o *opened) tag(now time.Time) []byte {
	var tag bytes.Buffer
	if now.Sub(o.changed) < rest {
		tag.WriteString("W/")
	}
	fmt.Fprintf(&tag, `"%x-%x"`, o.changed.UnixNano(), o.size)
	return tag.Bytes()
}

// rest is longer than a tick of any file system's clock; that of FAT is two seconds.
const rest = 3 * time.Second
