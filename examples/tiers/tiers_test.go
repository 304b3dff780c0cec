package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sluiceapi/sluice/examples/tiers/tiers"
)

func get(ctx context.Context, t *testing.T, url string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(ctx, "GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(body)
}

// The edge calls all of its data nodes, and clients see nothing of it.
func TestTiers(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	s, err := tiers.Start(ctx, t, tiers.Options{Data: 3})
	if err != nil {
		t.Fatal(err)
	}
	for id := 1; id <= 60; id++ {
		status, body := get(ctx, t, fmt.Sprintf("%s/user/%d", s.Edge.HTTP, id))
		if want := fmt.Sprintf(`"email":"user%d@example.org"`, id); status != 200 || !strings.Contains(body, want) {
			t.Fatalf("user %d: %d %s\n%s", id, status, body, s.Edge.Log())
		}
	}
	if status, body := get(ctx, t, s.Edge.HTTP+"/user/5000"); status != 404 {
		t.Errorf("nobody: %d %s", status, body)
	}
	if status, body := get(ctx, t, s.Edge.HTTP+"/user/0"); status != 400 {
		t.Errorf("user 0: %d %s", status, body)
	}
	for i, n := range s.Data {
		_, metrics := get(ctx, t, n.Admin+"/metrics")
		if !strings.Contains(metrics, `api_requests_total{endpoint="get_user",method="POST",status="200"}`) {
			t.Errorf("data node %d was not called:\n%s", i+1, n.Log())
		}
	}
	// Without a certificate nobody gets to a data node.
	if answer, err := http.Get(s.Data[0].HTTPS + "/user/1"); err == nil {
		answer.Body.Close()
		t.Errorf("a stranger gets %s of a data node", answer.Status)
	}
	// One data node that ends does not matter.
	s.Data[0].Stop()
	for id := 1; id <= 30; id++ {
		if status, body := get(ctx, t, fmt.Sprintf("%s/user/%d", s.Edge.HTTP, id)); status != 200 {
			t.Errorf("user %d, after the end of a data node: %d %s", id, status, body)
		}
	}
}
