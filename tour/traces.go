package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"time"
)

// traces sends a request that belongs to a trace and wants its spans to arrive at an OTLP receiver: the shop's below
// the caller's, that of the SQL below the shop's.
func traces(ctx context.Context, s *site) ([]string, error) {
	var id [24]byte
	rand.Read(id[:]) // it never fails
	trace, parent := hex.EncodeToString(id[:16]), hex.EncodeToString(id[16:])
	if _, err := wanted(ctx, 200, get(s.shop.HTTP+"/user/42", "Traceparent", "00-"+trace+"-"+parent+"-01")); err != nil {
		return nil, err
	}
	began := time.Now()
	var server, sql span
	err := until(ctx, 15*time.Second, func() error {
		var found, below bool
		if server, found = s.spans.find(trace, parent); !found {
			return errors.New("no span of the shop has arrived")
		}
		if sql, below = s.spans.find(trace, server.id); !below {
			return errors.New("no span of the SQL has arrived")
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if want := "GET /user/{id}"; server.name != want {
		return nil, errUnlike("the name of the shop's span", server.name, want)
	}
	return []string{
		fmt.Sprintf("the trace of a caller's traceparent came over OTLP within %.1f s:", time.Since(began).Seconds()),
		fmt.Sprintf("%q %s > %q %s", server.name, milliseconds(server.took), sql.name, milliseconds(sql.took)),
	}, nil
}
