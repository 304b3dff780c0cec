package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// services asks the user service through the shop's nodes: over HTTP for GET /user/{id}, and over gRPC for GetUser, which
// are the same endpoint there.
func services(ctx context.Context, s *site) ([]string, error) {
	const calls = 200
	var answers [2]string
	var measured [2]waits
	for i, way := range []string{"http", "grpc"} {
		a, err := wanted(ctx, 200, get(s.stack.URL()+"/"+way+"/user/42"))
		if err != nil {
			return nil, err
		}
		answers[i] = string(a.body)
		measured[i], err = measure(ctx, calls, func(n int) question { return get(fmt.Sprint(s.stack.URL(), "/", way, "/user/", n%1000+1)) })
		if err != nil {
			return nil, err
		}
	}
	if answers[0] != answers[1] {
		return nil, errUnlike("the user over gRPC", answers[1], answers[0])
	}
	shares, err := s.calls(ctx, 2*(calls+1))
	if err != nil {
		return nil, err
	}
	if err := s.refuseStrangers(); err != nil {
		return nil, err
	}
	return []string{
		fmt.Sprintf("GET /user/{id} of the user service, HTTP: %s;", measured[0]),
		fmt.Sprintf("user.v1.UserService/GetUser, gRPC: %s; both:", measured[1]),
		answers[0],
		fmt.Sprintf("%d requests over its 2 nodes, %s, by mutual TLS", 2*(calls+1), shares),
	}, nil
}

// calls wants the nodes of the user service to have taken so many requests, and each its share of them.
func (s *site) calls(ctx context.Context, want int) (shares string, err error) {
	err = until(ctx, 10*time.Second, func() error { // a request is counted when its last byte is out
		total := 0
		shares = ""
		for _, n := range s.stack.Users {
			all, err := scrape(ctx, n)
			if err != nil {
				return err
			}
			count := int(all.sum("api_requests_total", `endpoint="get_user"`, `status="200"`))
			if count == 0 {
				return errors.New("a node of the user service was not asked")
			}
			if shares != "" {
				shares += " + "
			}
			shares += fmt.Sprint(count)
			total += count
		}
		if total != want {
			return errUnlike("requests to the user service", total, want)
		}
		return nil
	})
	return shares, err
}

// refuseStrangers wants the user service to take nobody who shows no certificate.
func (s *site) refuseStrangers() error {
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: s.stack.Authority.Pool()}}}
	defer client.CloseIdleConnections()
	answer, err := client.Get(s.stack.Users[0].HTTPS + "/user/42")
	if err == nil {
		answer.Body.Close()
		return errUnlike("what the user service says to a stranger", answer.Status, "no connection")
	}
	return nil
}
