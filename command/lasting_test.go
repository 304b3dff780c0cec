package command

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"syscall"
	"testing"
)

// newsFrom serves a stream of events that never ends.
func newsFrom(url, text string) string {
	return fmt.Sprintf(`sluice: 1
listen:
  http: "127.0.0.1:0"
  drain:
    delay: 0s
    timeout: 20s
backends:
  b:
    http:
      urls: [%q]
endpoints:
  news:
    route: GET /news
    policies:
      - headers: {response: {set: {x-version: %s}}}
    http: {backend: b}
`, url, text)
}

// Clients of answers that last come back to a new config, and leave a node that stops, long before they would be cut off.
func TestAnswersThatLast(t *testing.T) {
	t.Parallel()
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		io.WriteString(w, "data: hello\n\n")
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	}))
	t.Cleanup(upstream.Close)
	s := serve(t, newsFrom(upstream.URL, "one"))
	listen := func(version string) *bufio.Reader {
		answer, err := http.Get("http://" + s.at.HTTP + "/news")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { answer.Body.Close() })
		if got := answer.Header.Get("X-Version"); got != version {
			t.Errorf("served by the config %q, want %q", got, version)
		}
		r := bufio.NewReader(answer.Body)
		if line, err := r.ReadString('\n'); line != "data: hello\n" {
			t.Fatalf("%q %v", line, err)
		}
		return r
	}
	ends := func(r *bufio.Reader) {
		if rest, err := io.ReadAll(r); string(rest) != "\n" || err != nil {
			t.Errorf("it ends with %q, %v", rest, err)
		}
	}
	first := listen("one")
	replace(t, s.file, newsFrom(upstream.URL, "two"))
	s.err.Await(t, `"msg":"reloaded"`, 1)
	ends(first)
	second := listen("two")
	s.signals <- syscall.SIGTERM
	ends(second)
	code := <-s.code
	s.code <- code
	if code != exitOK {
		t.Errorf("exit code %d, want %d:\n%s", code, exitOK, s.err)
	}
}
