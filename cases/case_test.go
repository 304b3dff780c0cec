package cases_test

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sluiceapi/sluice/cases"
	"github.com/sluiceapi/sluice/config"
	"github.com/sluiceapi/sluice/server"
	"github.com/sluiceapi/sluice/standard"
)

const hello = `
node: upstream.yaml
env: WORD=hello

-- upstream.yaml --
sluice: 1
endpoints:
  item:
    route: POST /items/{id}
    static:
      status: 201
      headers:
        location: /items/{id}/made
      json:
        id: 7
        tags: [a, b]
        word: "*"
-- sluice.yaml --
sluice: 1
backends:
  upstream:
    http:
      urls: ["${UPSTREAM}"]
endpoints:
  word:
    route: GET /word
    static:
      body: "${WORD}"
  item:
    route: POST /items/{id}
    http:
      backend: upstream
-- request: the word --
GET /word
-- response --
200
content-type: text/plain; charset=utf-8
etag: -

hello
-- request: through the upstream --
POST /items/7
-- response --
201
location: /items/{id}/made

{"id": "{id}", "tags": ["a", "..."], "...": true}
-- request: what was taken down --
POST /items/{id}
-- response --
201
location: /items/7/made
`

// tokens is a case in which the client is told a consistency token, and what it gives back is shown.
const tokens = `
-- sluice.yaml --
sluice: 1
endpoints:
  write:
    route: POST /n
    policies:
      - invalidate:
          tags: [n]
    static:
      status: 204
  show:
    route: GET /shown
    static:
      headers:
        x-token: "was {header.consistency-token}"
      body: shown
-- request: an answer that brings a token --
POST /n
-- response --
204
consistency-token: {token}
-- request: the token goes back --
GET /shown
-- response --
200
x-token: was {token}
`

func run(t *testing.T, text string) error {
	t.Helper()
	return runWith(t, text, cases.Options{})
}

func runWith(t *testing.T, text string, o cases.Options) error {
	t.Helper()
	c, err := cases.Parse("test.txtar", []byte(text))
	if err != nil {
		return err
	}
	o.Kinds, o.Log = standard.Kinds(), slog.New(slog.NewTextHandler(t.Output(), nil))
	o.Server = func(*config.File) server.Config { return server.Config{} }
	return c.Run(context.Background(), o)
}

func TestTokens(t *testing.T) {
	t.Parallel()
	if err := run(t, tokens); err != nil {
		t.Error(err)
	}
}

func TestOverlays(t *testing.T) {
	t.Parallel()
	overlay := filepath.Join(t.TempDir(), "overlay.yaml")
	text := "sluice: 1\nendpoints: {word: {route: GET /word, static: {body: \"over ${WORD}\"}}}\n"
	if err := os.WriteFile(overlay, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	o := cases.Options{Overlays: []string{overlay}, Env: map[string]string{"WORD": "all"}}
	if err := runWith(t, strings.Replace(hello, "\nhello\n", "\nover all\n", 1), o); err != nil {
		t.Error(err)
	}
}

func TestRun(t *testing.T) {
	t.Parallel()
	if err := run(t, hello); err != nil {
		t.Error(err)
	}
}

func TestFailures(t *testing.T) {
	t.Parallel()
	for from, to := range map[string]string{
		"200\ncontent-type: text/plain; charset=utf-8": "404",
		"content-type: text/plain; charset=utf-8":      "content-type: text/html",
		"etag: -":                 "content-type: -",
		"\nhello\n":               "\nhallo\n",
		`"tags": ["a", "..."]`:    `"tags": ["a"]`,
		`, "...": true}`:          `}`,
		"location: /items/7/made": "location: /items/8/made",
	} {
		err := run(t, strings.Replace(hello, from, to, 1))
		if f, ok := errors.AsType[*cases.Failure](err); !ok || len(f.Faults) == 0 {
			t.Errorf("with %q for %q: got %v, want a failed step", to, from, err)
		}
	}
}

func TestParseErrors(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"": "no requests",
		"colour: red\n-- request --\nGET /\n-- response --\n200\n": `test.txtar:1: unknown setting "colour"`,
		"-- request --\nGET /\n":                                   "a request without its response",
		"-- response --\n200\n":                                    "a response without its request",
		"-- request --\nGET\n-- response --\n200\n":                "is no request line",
		"-- request --\nGET /\nnonsense\n-- response --\n200\n":    "is no field",
		"-- request --\nGET /\n-- response --\nfine\n":             "is no status",
		"-- ../x --\n-- request --\nGET /\n-- response --\n200\n":  "leads out of the case's folder",
		"env: X\n-- request --\nGET /\n-- response --\n200\n":      "sets nothing",
	} {
		_, err := cases.Parse("test.txtar", []byte(text))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", text, err, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(hello))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := cases.Parse("fuzz.txtar", data)
		if err == nil && len(c.Steps) == 0 {
			t.Error("a case without steps was taken")
		}
	})
}
