package function_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/sluiceapi/sluice/backend/function"
	"github.com/sluiceapi/sluice/sluicetest"
)

func TestSuite(t *testing.T) {
	t.Parallel()
	type in struct {
		ID   int    `in:"path"`
		Q    string `in:"query"`
		Body struct {
			A int `json:"a"`
		} `in:"body"`
	}
	kind := function.Kind(
		function.New("sum", func(_ context.Context, in in) (map[string]int, error) {
			return map[string]int{in.Q: in.ID + in.Body.A}, nil
		}),
		function.Handler("short", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.Copy(w, r.Body) })),
		function.Handler("long", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, strings.Repeat("hello ", 20_000)) })),
	)
	for _, name := range []string{"sum", "short", "long"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sluicetest.Backend(t, sluicetest.BackendCase{Kind: kind, Use: "function: " + name, Route: "POST /f/{id}", Line: "POST /f/7?q=x",
				Body: `{"a":1}`, Fields: []string{"content-type: application/json"}})
		})
	}
}
