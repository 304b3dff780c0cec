package invalidate_test

import (
	"strings"
	"testing"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/build"
	"github.com/sluiceapi/sluice/policy/invalidate"
	"github.com/sluiceapi/sluice/sluicetest"
	"github.com/sluiceapi/sluice/tag"
)

func TestSuite(t *testing.T) {
	t.Parallel()
	sluicetest.Policy(t, sluicetest.PolicyCase{Kind: invalidate.Kind, Block: "invalidate: {tags: [all]}"})
}

func TestConfigErrors(t *testing.T) {
	t.Parallel()
	for want, block := range map[string]string{
		"tags: this list is empty": "{tags: []}",
		"tags[1]: an empty tag":    `{tags: [a, ""]}`,
		"tags: 17 tags; want":      "{tags: [" + strings.Repeat("a,", 17) + "]}",
	} {
		text := "sluice: 1\nendpoints:\n  e:\n    route: PUT /e\n    policies:\n      - invalidate: " + block + "\n    test_handler: {name: h}\n"
		kinds := []sluice.Kind{invalidate.Kind, sluicetest.HandlerKind(map[string]sluice.Handler{"h": nil})}
		_, err := build.Make(sluicetest.Document(t, text), build.Options{Kinds: kinds}, nil)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

// The next request of the caller must be served nothing that the write has ended, so the answer says what it has done;
// what only reads, or was refused, says nothing.
func TestAdvances(t *testing.T) {
	t.Parallel()
	text := "sluice: 1\nendpoints:\n  e:\n    routes: [PUT /e, GET /e]\n    policies:\n      - invalidate: {tags: [a]}\n    test_handler: {name: h}\n"
	for _, c := range []struct {
		line string
		err  error
		want bool
	}{
		{line: "PUT /e", want: true}, {line: "GET /e"}, {line: "PUT /e", err: &sluice.Error{Code: sluice.Forbidden}},
		{line: "PUT /e", err: &sluice.Error{Code: sluice.GatewayTimeout}, want: true},
	} {
		h := sluicetest.Node(t, text, invalidate.Kind, sluicetest.HandlerKind(map[string]sluice.Handler{
			"h": sluice.HandlerFunc(func(*sluice.Exchange) error { return c.err }),
		}))
		x := sluicetest.Exchange(t, c.line, "")
		a := sluicetest.Do(h, x)
		floor, ok := x.Seen.Floor(tag.Source)
		if ok != c.want || c.want && floor.Position == 0 || x.Seen.Grown() != c.want || a.Err != c.err {
			t.Errorf("%s, %v: %v, %v; want %v", c.line, c.err, floor, ok, c.want)
		}
	}
}
