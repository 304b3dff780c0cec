package static

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sluiceapi/sluice"
)

var changed = time.Date(2024, 5, 6, 7, 8, 9, 10, time.UTC)

const tag = `"17ccd493b5ff3a0a-a"`

// folder is public/ beside a file that must not be reached.
func folder(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range map[string]string{
		"secret.txt":                      "secret",
		"public/index.html":               "<p>index",
		"public/a.txt":                    "0123456789",
		"public/empty.css":                "",
		"public/data.UNKNOWN":             "x",
		"public/my file.json":             "{}",
		"public/docs/index.html":          "<p>docs",
		"public/bare/x.txt":               "x",
		"public/.env":                     "PASSWORD=1",
		"public/.git/config":              "x",
		"public/.well-known/security.txt": "Contact: x",
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, changed, changed); err != nil {
			t.Fatal(err)
		}
	}
	for link, target := range map[string]string{"out.txt": "../secret.txt", "up": "..", "in.txt": "a.txt"} {
		if err := os.Symlink(target, filepath.Join(dir, "public", link)); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "public")
}

func pages() *sluice.Endpoint {
	return &sluice.Endpoint{Name: "pages", Routes: []string{"GET /pages/{rest...}"},
		Inputs: []sluice.Input{{Name: "rest", In: "path", Type: sluice.Text}}}
}

func request(method, rest string, lines ...string) *sluice.Exchange {
	x := sluice.NewExchange(nil)
	x.Request.Method = method
	x.Request.Path = []byte("/pages/" + rest)
	x.Request.Params = append(x.Request.Params, sluice.Param{Name: "rest", Value: []byte(rest)})
	x.SetInput(0, sluice.TextValue(x.Unescape([]byte(rest))))
	for _, line := range lines {
		name, value, _ := strings.Cut(line, ": ")
		x.Request.Header.Add(name, value)
	}
	return x
}

func body(t *testing.T, x *sluice.Exchange) string {
	t.Helper()
	size := x.Response.Body.Len()
	content, err := x.Response.Body.Load(1 << 20)
	if err != nil {
		t.Fatal(err)
	}
	if int64(len(content)) != size {
		t.Errorf("%d bytes, %d were told", len(content), size)
	}
	return string(content)
}

func TestFiles(t *testing.T) {
	t.Parallel()
	h := setup(t, Use{Files: sluice.Path(folder(t)), Headers: headers(t, "cache-control: max-age=60")}, pages())
	for _, c := range []struct{ rest, body, contentType string }{
		{"a.txt", "0123456789", "text/plain; charset=utf-8"},
		{"in.txt", "0123456789", "text/plain; charset=utf-8"},
		{"", "<p>index", "text/html; charset=utf-8"},
		{"index.html", "<p>index", "text/html; charset=utf-8"},
		{"docs/", "<p>docs", "text/html; charset=utf-8"},
		{"empty.css", "", "text/css; charset=utf-8"},
		{"data.UNKNOWN", "x", "application/octet-stream"},
		{"my%20file.json", "{}", "application/json"},
		{".well-known/security.txt", "Contact: x", "text/plain; charset=utf-8"},
	} {
		x := request("GET", c.rest)
		if err := h.Serve(x); err != nil {
			t.Errorf("%s: %v", c.rest, err)
			continue
		}
		if got := body(t, x); x.Response.Status != 0 || got != c.body {
			t.Errorf("%s: %d %q, want %q", c.rest, x.Response.Status, got, c.body)
		}
		for name, want := range map[string]string{"Content-Type": c.contentType, "Last-Modified": "Mon, 06 May 2024 07:08:09 GMT",
			"Accept-Ranges": "bytes", "Cache-Control": "max-age=60", "X-Content-Type-Options": "nosniff"} {
			if got := string(x.Response.Header.Value(name)); got != want {
				t.Errorf("%s: %s %q, want %q", c.rest, name, got, want)
			}
		}
		x.End(sluice.Outcome{})
	}
}

func TestMissing(t *testing.T) {
	t.Parallel()
	h := setup(t, Use{Files: sluice.Path(folder(t))}, pages())
	for _, rest := range []string{"none", "a.txt/", "a.txt/b", "bare/", ".env", ".git/config", ".git/", "../secret.txt", "..", ".", "./a.txt", "docs/../a.txt",
		"docs//index.html", "/etc/passwd", "out.txt", "up/secret.txt", "up/", "..%5csecret.txt", "%2e%2e/secret.txt", "a.txt%00.html", "docs%2f..%2f..%2fsecret.txt",
		strings.Repeat("x", 5000)} {
		x := request("GET", rest)
		if err := h.Serve(x); err == nil || sluice.ErrorOf(err).Code != sluice.NotFound {
			t.Errorf("%s: error %v and status %d, want not found", rest, err, x.Response.Status)
		}
		x.End(sluice.Outcome{})
	}
}

func TestDotfiles(t *testing.T) {
	t.Parallel()
	h := setup(t, Use{Files: sluice.Path(folder(t)), Dotfiles: true}, pages())
	x := request("GET", ".env")
	if err := h.Serve(x); err != nil || body(t, x) != "PASSWORD=1" {
		t.Errorf("error %v", err)
	}
	if err := h.Serve(request("GET", "../secret.txt")); err == nil {
		t.Error("a file outside is sent")
	}
}

func TestFolderWithoutSlash(t *testing.T) {
	t.Parallel()
	h := setup(t, Use{Files: sluice.Path(folder(t))}, pages())
	x := request("GET", "docs")
	x.Request.Query = []byte("a=1")
	if err := h.Serve(x); err != nil {
		t.Fatal(err)
	}
	if got := string(x.Response.Header.Value("Location")); x.Response.Status != 308 || got != "/pages/docs/?a=1" {
		t.Errorf("%d to %q", x.Response.Status, got)
	}
}

func TestConditions(t *testing.T) {
	t.Parallel()
	h := setup(t, Use{Files: sluice.Path(folder(t)), Headers: headers(t, "cache-control: max-age=60")}, pages())
	const (
		same    = "Mon, 06 May 2024 07:08:09 GMT"
		earlier = "Mon, 06 May 2024 07:08:08 GMT"
	)
	for _, c := range []struct {
		method string
		fields []string
		status int
		body   string
	}{
		{"GET", nil, 0, "0123456789"},
		{"GET", []string{"If-None-Match: " + tag}, 304, ""},
		{"HEAD", []string{"If-None-Match: " + tag}, 304, ""},
		{"GET", []string{"If-None-Match: W/" + tag}, 304, ""},
		{"GET", []string{`If-None-Match: "x,y", W/"z", ` + tag}, 304, ""},
		{"GET", []string{`If-None-Match: "x"`, "If-None-Match: " + tag}, 304, ""},
		{"GET", []string{"If-None-Match: *"}, 304, ""},
		{"GET", []string{`If-None-Match: "x"`, "If-Modified-Since: " + same}, 0, "0123456789"},
		{"GET", []string{"If-None-Match: garbage"}, 0, "0123456789"},
		{"GET", []string{"If-Modified-Since: " + same}, 304, ""},
		{"GET", []string{"If-Modified-Since: Monday, 06-May-24 07:08:09 GMT"}, 304, ""},
		{"GET", []string{"If-Modified-Since: " + earlier}, 0, "0123456789"},
		{"GET", []string{"If-Modified-Since: yesterday"}, 0, "0123456789"},
		{"POST", []string{"If-Modified-Since: " + same}, 0, "0123456789"},
		{"POST", []string{"If-None-Match: " + tag}, 412, ""},
		{"GET", []string{"If-Match: " + tag}, 0, "0123456789"},
		{"GET", []string{"If-Match: *"}, 0, "0123456789"},
		{"GET", []string{"If-Match: W/" + tag}, 412, ""},
		{"GET", []string{`If-Match: "x"`}, 412, ""},
		{"GET", []string{"If-Unmodified-Since: " + same}, 0, "0123456789"},
		{"GET", []string{"If-Unmodified-Since: " + earlier}, 412, ""},
		{"GET", []string{"Range: bytes=2-4"}, 206, "234"},
		{"GET", []string{"Range: bytes=2-4", "If-Range: " + tag}, 206, "234"},
		{"GET", []string{"Range: bytes=2-4", `If-Range: "x"`}, 0, "0123456789"},
		{"GET", []string{"Range: bytes=2-4", "If-Range: W/" + tag}, 0, "0123456789"},
		{"GET", []string{"Range: bytes=2-4", "If-Range: " + same}, 206, "234"},
		{"GET", []string{"Range: bytes=2-4", "If-Range: " + earlier}, 0, "0123456789"},
		{"GET", []string{"Range: bytes=2-4", "If-None-Match: " + tag}, 304, ""},
		{"GET", []string{"Range: bytes=2-4,6-7"}, 0, "0123456789"},
		{"POST", []string{"Range: bytes=2-4"}, 0, "0123456789"},
		{"GET", []string{"Range: bytes=10-"}, 416, ""},
	} {
		x := request(c.method, "a.txt", c.fields...)
		err := h.Serve(x)
		status := x.Response.Status
		if err != nil {
			status = sluice.ErrorOf(err).Code.Status()
		}
		if status != c.status || err == nil && body(t, x) != c.body {
			t.Errorf("%s %q: %d %v", c.method, c.fields, status, err)
		}
		if status == 304 && (string(x.Response.Header.Value("ETag")) != tag || !x.Response.Header.Has("Cache-Control") || x.Response.Header.Has("Content-Type")) {
			t.Errorf("%q: 304 with %s", c.fields, text(&x.Response.Header))
		}
		if status == 416 && string(sluice.ErrorOf(err).Header[0].Value) != "bytes */10" {
			t.Errorf("416 with %q", sluice.ErrorOf(err).Header)
		}
		if status == 206 && string(x.Response.Header.Value("Content-Range")) != "bytes 2-4/10" {
			t.Errorf("206 with %s", text(&x.Response.Header))
		}
		x.End(sluice.Outcome{})
	}
}

// A file that was changed just now has a weak tag: it may change again within the tick.
func TestFreshFileIsWeak(t *testing.T) {
	t.Parallel()
	o := &opened{size: 1, changed: changed}
	if got := o.tag(changed.Add(time.Second)); !weak(got) {
		t.Errorf("%s is strong", got)
	}
	if got := o.tag(changed.Add(time.Minute)); weak(got) {
		t.Errorf("%s is weak", got)
	}
}

// A weak tag vouches for no byte: nothing that needs the same bytes holds with it.
func TestWeakTag(t *testing.T) {
	t.Parallel()
	weakTag := []byte("W/" + tag)
	for _, c := range []struct {
		field string
		want  verdict
		part  bool
	}{
		{"If-Match: " + tag, failed, true},
		{"If-Match: W/" + tag, failed, true},
		{"If-None-Match: " + tag, unchanged, true},
		{"If-Range: " + tag, wanted, false},
		{"If-Range: W/" + tag, wanted, false},
		{"If-Range: Mon, 06 May 2024 07:08:09 GMT", wanted, false},
	} {
		x := request("GET", "", c.field, "Range: bytes=0-1")
		if got := judge(x, weakTag, changed); got != c.want {
			t.Errorf("%s: verdict %d, want %d", c.field, got, c.want)
		}
		if got := rangeHolds(&x.Request.Header, weakTag, changed); got != c.part {
			t.Errorf("%s: the range holds: %v", c.field, got)
		}
	}
}

func TestHead(t *testing.T) {
	t.Parallel()
	h := setup(t, Use{Files: sluice.Path(folder(t))}, pages())
	x := request("HEAD", "a.txt", "Range: bytes=1-2")
	if err := h.Serve(x); err != nil || x.Response.Status != 0 || x.Response.Body.Len() != 10 {
		t.Errorf("%d with %d bytes, %v", x.Response.Status, x.Response.Body.Len(), err)
	}
	x.End(sluice.Outcome{})
}

func TestPath(t *testing.T) {
	t.Parallel()
	dir := sluice.Path(folder(t))
	h := setup(t, Use{Files: dir, Path: template(t, "a.txt")}, &sluice.Endpoint{Routes: []string{"GET /robots.txt"}})
	x := request("GET", "")
	if err := h.Serve(x); err != nil || body(t, x) != "0123456789" {
		t.Errorf("a fixed path: %v", err)
	}
	h = setup(t, Use{Files: dir, Path: template(t, "bare/{query.q}.txt")}, &sluice.Endpoint{Routes: []string{"GET /f"}})
	for query, want := range map[string]bool{"q=x": true, "q=../a": false, "q=../../secret": false, "": false, "q=.hidden": false} {
		x := request("GET", "")
		x.Request.Query = []byte(query)
		if err := h.Serve(x); (err == nil) != want {
			t.Errorf("%s: %v", query, err)
		}
		x.End(sluice.Outcome{})
	}
}

func TestFileGetsShorter(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	h := setup(t, Use{Files: sluice.Path(dir)}, pages())
	x := request("GET", "a.txt")
	if err := h.Serve(x); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(filepath.Join(dir, "a.txt"), 4); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(x.Response.Body.Stream); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("read %q and %v", got, err)
	}
	x.End(sluice.Outcome{})
}

func TestOpen(t *testing.T) {
	t.Parallel()
	dir := sluice.Path(folder(t))
	for _, c := range []struct {
		want   string
		files  sluice.Path
		routes []string
	}{
		{"files: open the folder", dir + "/none", []string{"GET /{rest...}"}},
		{"files: open the folder", dir + "/a.txt", []string{"GET /{rest...}"}},
		{"files: the route GET /a does not say", dir, []string{"GET /a"}},
		{"files: the route GET /{id} does not say", dir, []string{"GET /{id}"}},
		{"files: the routes say which file by {a...} and by {b...}", dir, []string{"GET /x/{a...}", "GET /y/{b...}"}},
	} {
		if _, err := handle(t, &Use{Files: c.files}, &sluice.Endpoint{Routes: c.routes}); err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("error %v, want one with %q", err, c.want)
		}
	}
}

func TestRange(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		value string
		kind  kindOfRange
		part  part
	}{
		{"bytes=0-0", inside, part{0, 0}},
		{"bytes=2-", inside, part{2, 9}},
		{"bytes=2-99", inside, part{2, 9}},
		{"bytes=2-99999999999999999999999", inside, part{2, 9}},
		{"bytes=-3", inside, part{7, 9}},
		{"bytes=-99", inside, part{0, 9}},
		{"BYTES=1-1", inside, part{1, 1}},
		{"bytes=-0", outside, part{}},
		{"bytes=10-", outside, part{}},
		{"bytes=99999999999999999999999-", outside, part{}},
		{"bytes=4-2", whole, part{}},
		{"bytes=-", whole, part{}},
		{"bytes=", whole, part{}},
		{"bytes=a-b", whole, part{}},
		{"bytes=1-2,3-4", whole, part{}},
		{"bytes=--1", whole, part{}},
		{"lines=1-2", whole, part{}},
		{"", whole, part{}},
	} {
		if got, kind := parseRange([]byte(c.value), 10); kind != c.kind || got != c.part {
			t.Errorf("%q: %v %v, want %v %v", c.value, kind, got, c.kind, c.part)
		}
	}
	if _, kind := parseRange([]byte("bytes=-1"), 0); kind != outside {
		t.Errorf("the end of an empty file: %v", kind)
	}
}

func FuzzRange(f *testing.F) {
	f.Add("bytes=0-1", int64(10))
	f.Add("bytes=-5", int64(0))
	f.Fuzz(func(t *testing.T, value string, size int64) {
		size = max(size, 0)
		if p, kind := parseRange([]byte(value), size); kind == inside && (p.first < 0 || p.last < p.first || p.last >= size) {
			t.Errorf("%q of %d bytes: %v", value, size, p)
		}
	})
}

func FuzzTags(f *testing.F) {
	f.Add(`"a", W/"b", *`)
	f.Add(`W/"`)
	f.Fuzz(func(t *testing.T, list string) {
		x := sluice.NewExchange(nil)
		x.Request.Header.Add("If-Match", list)
		x.Request.Header.Add("If-None-Match", list)
		h := &x.Request.Header
		strong, weakly := anyTag(h, "If-Match", []byte(`"b"`), true), anyTag(h, "If-None-Match", []byte(`"b"`), false)
		if strong && !weakly {
			t.Errorf("%q matches strongly and not weakly", list)
		}
	})
}

// No name reaches what is not in the folder.
func FuzzName(f *testing.F) {
	dir := f.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "public"), 0o755); err != nil {
		f.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "secret.txt"), []byte("secret"), 0o644); err != nil {
		f.Fatal(err)
	}
	for _, rest := range []string{"../secret.txt", "%2e%2e/secret.txt", "..", "/", "a//b", ".x"} {
		f.Add(rest)
	}
	root, err := os.OpenRoot(filepath.Join(dir, "public"))
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { root.Close() })
	h := &files{root: root, rest: "rest", now: now, missing: &sluice.Error{Code: sluice.NotFound}}
	f.Fuzz(func(t *testing.T, rest string) {
		x := request("GET", rest)
		if err := h.Serve(x); err == nil || sluice.ErrorOf(err).Code != sluice.NotFound {
			t.Errorf("%q: %v", rest, err)
		}
		x.End(sluice.Outcome{})
	})
}
