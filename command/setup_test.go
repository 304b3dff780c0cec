package command

import (
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/sluiceapi/sluice/sluicetest/output"
	"github.com/sluiceapi/sluice/standard"
)

// patience is how long a test waits for what must happen.
const patience = 10 * time.Second

func newTool(env map[string]string) (*tool, *output.Text, *output.Text) {
	out, err := &output.Text{}, &output.Text{}
	lookup := func(name string) (string, bool) { v, ok := env[name]; return v, ok }
	return &tool{kinds: standard.Kinds(), out: out, err: err, lookup: lookup}, out, err
}

// runTool runs a command line to its end.
func runTool(t *testing.T, args ...string) (code int, out, err string) {
	t.Helper()
	tool, o, e := newTool(nil)
	code = tool.run(context.Background(), args)
	return code, o.String(), e.String()
}

func write(t *testing.T, file, text string) string {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// replace puts a file in the place of another in one step, as careful tools do.
func replace(t *testing.T, file, text string) {
	t.Helper()
	if err := os.Rename(write(t, file+".new", text), file); err != nil {
		t.Fatal(err)
	}
}

// serving is a running `sluice run`.
type serving struct {
	file    string
	at      addresses
	err     *output.Text
	signals chan os.Signal
	code    chan int
}

// serve runs a config until the test ends.
func serve(t *testing.T, text string) *serving {
	t.Helper()
	return serveFile(t, nil, write(t, filepath.Join(t.TempDir(), "sluice.yaml"), text))
}

// serveFile is serve for a file that is there, with variables.
func serveFile(t *testing.T, env map[string]string, file string) *serving {
	t.Helper()
	return serveAs(t, roles{api: true, worker: true}, env, file)
}

// serveAs is serveFile for a process with roles.
func serveAs(t *testing.T, as roles, env map[string]string, file string) *serving {
	t.Helper()
	s := &serving{file: file, signals: make(chan os.Signal, 1), code: make(chan int, 1)}
	tool, _, err := newTool(env)
	s.err = err
	started := make(chan addresses, 1)
	tool.started = func(a addresses) { started <- a }
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		code := exitOK
		if err := tool.serve(ctx, []string{s.file}, as, s.signals); err != nil {
			code = exitFailed
		}
		s.code <- code
	}()
	t.Cleanup(func() {
		cancel()
		<-s.code
	})
	select {
	case s.at = <-started:
	case code := <-s.code:
		s.code <- code
		t.Fatalf("it did not start:\n%s", err)
	case <-time.After(patience):
		t.Fatalf("it did not start in time:\n%s", err)
	}
	return s
}

func (s *serving) get(t *testing.T, path string) (int, string) {
	t.Helper()
	return get(t, "http://"+s.at.HTTP+path)
}

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}
