package build_test

import (
	"strings"
	"testing"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/build"
	"github.com/sluiceapi/sluice/sluicetest"
)

// echo answers with what the references of its block yield.
var echo = sluice.NewBackend("echo", sluice.None{}, echoUse{}, func(*sluice.Env, *sluice.None) (echoBackend, error) { return echoBackend{}, nil })

type echoUse struct {
	Say sluice.Template `yaml:"say,short"`
}

type echoBackend struct{}

func (echoBackend) Handle(_ *sluice.Env, _ *sluice.Endpoint, use *echoUse) (sluice.Handler, error) {
	return sluice.HandlerFunc(func(x *sluice.Exchange) error {
		x.Response.Body.SetBuffer(use.Say.Append(x.Response.Body.Buffer(), x))
		return nil
	}), nil
}

// stamp adds its text to a header, so that a test sees the order in which policies ran.
func stamp(name string, traits ...sluice.Trait) sluice.Kind {
	type config struct {
		Text sluice.Template `yaml:"text,short"`
	}
	open := func(_ *sluice.Env, _ *sluice.Endpoint, c *config) (sluice.Policy, error) {
		return func(next sluice.Handler) sluice.Handler {
			return sluice.HandlerFunc(func(x *sluice.Exchange) error {
				seen := string(x.Request.Header.Value("Stamps"))
				x.Request.Header.Set("Stamps", seen+name+"("+string(c.Text.Append(nil, x))+")")
				return next.Serve(x)
			})
		}, nil
	}
	return sluice.NewPolicy(name, config{}, open, traits...)
}

func TestChain(t *testing.T) {
	t.Parallel()
	node := sluicetest.Node(t, `
		sluice: 1
		policies:
			list:
				- b: in list
		every_request:
			- a: "{client_ip}"
		every_endpoint:
			- use: list
		endpoints:
			e:
				route: GET /e/{id}
				input:
					id:
						type: integer
					q:
						in: query
						default: none
				policies:
					- a: "{id}"
				echo: "{header.stamps} {q}"
	`, echo, stamp("a"), stamp("b"))
	a := sluicetest.Do(node, sluicetest.Exchange(t, "GET /e/7?q=x+y", ""))
	if want := "a(192.0.2.1)b(in list)a(7) x y"; a.Body != want || a.Err != nil {
		t.Errorf("got %q, %v; want %q", a.Body, a.Err, want)
	}
}

func TestInputIsCheckedJustBeforeItsUse(t *testing.T) {
	t.Parallel()
	deny := sluice.NewPolicy("deny", sluice.None{}, func(*sluice.Env, *sluice.Endpoint, *sluice.None) (sluice.Policy, error) {
		return func(sluice.Handler) sluice.Handler {
			return sluice.HandlerFunc(func(*sluice.Exchange) error { return &sluice.Error{Code: sluice.Unauthenticated} })
		}, nil
	})
	text := `
		sluice: 1
		endpoints:
			e:
				route: GET /e/{id}
				input:
					id:
						type: integer
				policies:
					- POLICY
				echo: "{id}"
	`
	for _, c := range []struct {
		policies string
		want     sluice.Code
	}{
		{"deny", sluice.Unauthenticated},
		{"a: \"{id}\"\n\t\t\t\t\t- deny", sluice.BadRequest},
		{"a: \"{client_ip}\"", sluice.BadRequest},
	} {
		node := sluicetest.Node(t, strings.Replace(text, "POLICY", c.policies, 1), echo, deny, stamp("a"))
		if a := sluicetest.Do(node, sluicetest.Exchange(t, "GET /e/x", "")); a.Code != c.want {
			t.Errorf("%s: got %v, want %v", c.policies, a.Err, c.want)
		}
	}
}

func TestPublicLeavesOutWhatAuthenticates(t *testing.T) {
	t.Parallel()
	node := sluicetest.Node(t, `
		sluice: 1
		every_endpoint:
			- test_caller:
					subject: ada
			- a: "{caller.subject}"
			- b: all
		endpoints:
			closed:
				route: GET /closed
				echo: "{header.stamps} {caller}"
			open:
				route: GET /open
				public: true
				echo: "{header.stamps}"
	`, echo, sluicetest.CallerKind, stamp("a"), stamp("b"))
	for path, want := range map[string]string{"/closed": "a(ada)b(all) test ada", "/open": "b(all)"} {
		if a := sluicetest.Do(node, sluicetest.Exchange(t, "GET "+path, "")); a.Body != want {
			t.Errorf("%s: got %q, %v; want %q", path, a.Body, a.Err, want)
		}
	}
}

func TestMistakes(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		text string
		want []string
	}{
		"order": {`
			sluice: 1
			endpoints:
				e:
					route: GET /
					policies:
						- late
						- early
					echo: hi
		`, []string{"sluice.yaml:6:9: endpoints.e.policies[0].late: late must stand after early, because it says so"}},
		"caller": {`
			sluice: 1
			endpoints:
				e:
					route: GET /
					policies:
						- a: "{caller.subject}"
					echo: hi
		`, []string{"endpoints.e.policies[0].a: a needs the caller, and no policy before it finds out who asks"}},
		"names": {`
			sluice: 1
			endpoints:
				e:
					route: GET /{id}
					policies:
						- aa: x
						- use: lst
					echo: "{idd} {query}"
				f:
					route: GET /{other}
					ehco: hi
		`, []string{
			"unknown key; did you mean a?",
			`unknown list "lst"; there is none under policies`,
			`unknown name "idd"; did you mean id?`,
			`"query" names no query parameter; want query.NAME`,
			"unknown key; did you mean echo?",
			"takes the same requests as GET /{id} of endpoint e",
		}},
		"one mistake for a route that cannot be read": {`
			sluice: 1
			endpoints:
				e:
					route: GET /a b/{id}
					echo: "{id}"
		`, []string{"endpoints.e.route"}},
		"loop": {`
			sluice: 1
			policies:
				x:
					- use: y
				y:
					- use: x
			endpoints:
				e:
					route: GET /
					echo: hi
		`, []string{"policies.y[0].use: x uses y uses x; want a list"}},
		"inputs": {`
			sluice: 1
			endpoints:
				e:
					route: GET /
					input:
						a:
							type: integer
						b:
							in: path
						body_:
							in: query
							min: 3
							max: 1
					echo: hi
		`, []string{
			"want in: path, query or header",
			"the route has no parameter {b}",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			doc := sluicetest.Document(t, c.text)
			early, late := stamp("early"), stamp("late", sluice.After("early", "it says so"))
			_, err := build.Make(doc, build.Options{Kinds: []sluice.Kind{echo, stamp("a"), stamp("b"), early, late}}, nil)
			if err == nil {
				t.Fatal("the config was taken")
			}
			if name == "one mistake for a route that cannot be read" && strings.Contains(err.Error(), "unknown name") {
				t.Errorf("the route's own names are reported:\n%v", err)
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("want %q among\n%v", want, err)
				}
			}
		})
	}
}
