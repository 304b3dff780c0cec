package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
)

// gateway shows routing, CORS, checks and refusals on the shop, and a plain service behind the gateway example.
func gateway(ctx context.Context, s *site) (lines []string, err error) {
	for _, show := range []func(context.Context, *site) (string, error){showRoutes, showPreflight, showChecks, showRefusals, showService} {
		line, err := show(ctx, s)
		if err != nil {
			return lines, err
		}
		lines = append(lines, line)
	}
	return lines, nil
}

// asked is how many requests latencies are measured over.
const asked = 500

func showRoutes(ctx context.Context, s *site) (string, error) {
	for _, path := range []string{"/", "/api/products", "/api/products/7", "/user/42", "/user/42/orders", "/api/sales"} {
		if _, err := wanted(ctx, 200, get(s.shop.HTTP+path)); err != nil {
			return "", err
		}
	}
	w, err := measure(ctx, asked, func(i int) question { return get(fmt.Sprint(s.shop.HTTP, "/user/", i+1)) })
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("6 routes answer; a user from SQL: %s", w), nil
}

func showPreflight(ctx context.Context, s *site) (string, error) {
	a, err := wanted(ctx, 204, question{method: "OPTIONS", url: s.shop.HTTP + "/api/orders", fields: []string{
		"Origin", "https://shop.example.org", "Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "content-type"}})
	if err != nil {
		return "", err
	}
	methods, origin := a.header.Get("Access-Control-Allow-Methods"), a.header.Get("Access-Control-Allow-Origin")
	if methods != "POST" || origin != "*" {
		return "", errUnlike("the preflight's methods and origin", methods+" "+origin, "POST *")
	}
	return "CORS: a preflight for POST /api/orders gets 204 and allows POST", nil
}

// showChecks sends an order with four mistakes, which must all be named at once.
func showChecks(ctx context.Context, s *site) (string, error) {
	a, err := wanted(ctx, 400, question{method: "POST", url: s.shop.HTTP + "/api/orders", fields: []string{"Content-Type", "application/json"},
		body: `{"user_id": "x", "quantity": 1000, "note": ""}`})
	if err != nil {
		return "", err
	}
	var problem struct{ Errors []struct{ Name string } }
	if err := json.Unmarshal(a.body, &problem); err != nil {
		return "", err
	}
	var names []string
	for _, e := range problem.Errors {
		names = append(names, strings.TrimPrefix(e.Name, "body."))
	}
	got, want := strings.Join(names, ", "), "note, product_id, quantity, user_id"
	if got != want {
		return "", errUnlike("the fields that are named", got, want)
	}
	return "checks: a 400 names all at fault: " + got, nil
}

func showRefusals(ctx context.Context, s *site) (string, error) {
	if _, err := wanted(ctx, 404, get(s.shop.HTTP+"/nowhere")); err != nil {
		return "", err
	}
	a, err := wanted(ctx, 405, question{method: "DELETE", url: s.shop.HTTP + "/api/orders"})
	if err != nil {
		return "", err
	}
	allow := a.header.Get("Allow")
	if !strings.Contains(allow, "POST") {
		return "", errUnlike("Allow", allow, "one with POST")
	}
	return "refused: GET /nowhere 404; DELETE /api/orders 405, Allow: " + allow, nil
}

// showService measures a plain service alone and behind examples/gateway.
func showService(ctx context.Context, s *site) (string, error) {
	service, err := startService(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "plain "+r.URL.Path+" for "+r.Header.Get("X-Forwarded-For"))
	}))
	if err != nil {
		return "", err
	}
	defer service.close()
	n, err := s.start(ctx, []string{"examples/gateway/sluice.yaml"}, "LEGACY_URL="+service.url, "GATEWAY_HTTP=127.0.0.1:0", "GATEWAY_ADMIN=127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer n.Stop()
	a, err := wanted(ctx, 200, get(n.HTTP+"/legacy/stock"))
	if err != nil {
		return "", err
	}
	if got, want := string(a.body), "plain /stock for 127.0.0.1"; got != want {
		return "", errUnlike("the service's answer", got, want)
	}
	direct, err := measure(ctx, asked, func(int) question { return get(service.url + "/stock") })
	if err != nil {
		return "", err
	}
	through, err := measure(ctx, asked, func(int) question { return get(n.HTTP + "/legacy/stock") })
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("a plain service: alone p50 %s, behind it %s", milliseconds(direct.quantile(0.5)), through), nil
}

// service is a plain HTTP service within this process.
type service struct {
	server *http.Server
	url    string
	done   chan struct{}
}

func startService(handler http.Handler) (*service, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &service{server: &http.Server{Handler: handler}, url: "http://" + listener.Addr().String(), done: make(chan struct{})}
	go func() {
		defer close(s.done)
		s.server.Serve(listener) // it ends by close
	}()
	return s, nil
}

func (s *service) close() {
	s.server.Close()
	<-s.done
}
