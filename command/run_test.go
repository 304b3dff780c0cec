package command

import (
	"fmt"
	"net"
	"strings"
	"syscall"
	"testing"
)

func hello(text string) string {
	return fmt.Sprintf(`sluice: 1
listen:
  http: "127.0.0.1:0"
  admin: "127.0.0.1:0"
  drain:
    delay: 10ms
endpoints:
  hello:
    route: GET /hello
    static:
      body: %q
`, text)
}

func TestServe(t *testing.T) {
	t.Parallel()
	s := serve(t, hello("one"))
	if status, body := s.get(t, "/hello"); status != 200 || body != "one" {
		t.Errorf("got %d %q, want 200 one", status, body)
	}
	// The client has its answer a little before the exchange is over, and counted.
	s.err.Await(t, `"msg":"request","endpoint":"hello"`, 1)
	admin := "http://" + s.at.Admin
	if status, body := get(t, admin+"/readyz"); status != 200 {
		t.Errorf("readyz: got %d %q, want 200", status, body)
	}
	if _, body := get(t, admin+"/metrics"); !strings.Contains(body, `api_requests_total{endpoint="hello",method="GET",status="200"} 1`) {
		t.Errorf("the request is not counted:\n%s", body)
	}
}

func TestReload(t *testing.T) {
	t.Parallel()
	s := serve(t, hello("one"))
	replace(t, s.file, hello("two"))
	s.err.Await(t, `"msg":"reloaded"`, 1)
	if _, body := s.get(t, "/hello"); body != "two" {
		t.Errorf("got %q after a change of the file, want two", body)
	}
	replace(t, s.file, strings.Replace(hello("three"), "static:", "statik:", 1))
	s.err.Await(t, "the config is not taken", 1)
	if !strings.Contains(s.err.String(), "did you mean static?") {
		t.Errorf("the log does not say why:\n%s", s.err)
	}
	if _, body := s.get(t, "/hello"); body != "two" {
		t.Errorf("got %q after a broken file, want the node before", body)
	}
	replace(t, s.file, hello("four"))
	s.signals <- syscall.SIGHUP
	s.err.Await(t, `"msg":"reloaded"`, 2)
	if _, body := s.get(t, "/hello"); body != "four" {
		t.Errorf("got %q after SIGHUP, want four", body)
	}
}

func TestReloadMovesAddresses(t *testing.T) {
	t.Parallel()
	s := serve(t, hello("one"))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	taken := l.Addr().String()
	replace(t, s.file, strings.Replace(hello("two"), "127.0.0.1:0", taken, 1))
	s.err.Await(t, "the config is not taken", 1)
	if _, body := s.get(t, "/hello"); body != "one" {
		t.Errorf("got %q where the new address is taken, want the node before", body)
	}
	l.Close()
	s.signals <- syscall.SIGHUP
	s.err.Await(t, `"msg":"reloaded"`, 1)
	if _, body := get(t, "http://"+taken+"/hello"); body != "two" {
		t.Errorf("got %q at the new address, want two", body)
	}
}

func TestStop(t *testing.T) {
	t.Parallel()
	s := serve(t, hello("one"))
	s.signals <- syscall.SIGTERM
	code := <-s.code
	s.code <- code
	if code != exitOK {
		t.Errorf("exit code %d, want %d:\n%s", code, exitOK, s.err)
	}
	s.err.Await(t, `"msg":"stopped"`, 1)
}

func TestPublicAdminNeedsPolicies(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ address, policies, want string }{
		{"0.0.0.0:0", "", "nothing guards metrics and profiles"},
		{":0", "", "nothing guards metrics and profiles"},
		{"127.0.0.1:0", "", ""},
		{"[::1]:0", "", ""},
		{":0", "      - ip_filter:\n          allow: [10.0.0.0/8]\n", ""},
	} {
		text := strings.Replace(hello("x"), `  admin: "127.0.0.1:0"`, fmt.Sprintf("  admin:\n    address: %q\n", c.address), 1)
		if c.policies != "" {
			text = strings.Replace(text, "\n\n  drain", "\n    policies:\n"+c.policies+"  drain", 1)
		}
		code, _, err := runTool(t, "check", write(t, t.TempDir()+"/sluice.yaml", text))
		if (c.want == "") != (code == exitOK) || !strings.Contains(err, c.want) {
			t.Errorf("%s %q: got %d %s, want %q", c.address, c.policies, code, err, c.want)
		}
	}
}

func TestAdminPolicies(t *testing.T) {
	t.Parallel()
	s := serve(t, strings.Replace(hello("x"), `  admin: "127.0.0.1:0"`, `  admin:
    address: "127.0.0.1:0"
    policies:
      - ip_filter:
          allow: [192.0.2.0/24]`, 1))
	for path, want := range map[string]int{"/healthz": 200, "/readyz": 200, "/metrics": 403, "/debug/pprof/": 403} {
		if status, body := get(t, "http://"+s.at.Admin+path); status != want {
			t.Errorf("%s: got %d %s, want %d", path, status, body, want)
		}
	}
}
