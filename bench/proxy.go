package main

import (
	"context"
	"fmt"
	"os"
	"slices"
)

const (
	originPath = "/api/products/17"
	// originBody is 234 bytes, what a small resource of an API weighs.
	originBody = `{"id":17,"sku":"SKU-000017","name":"Enamel mug, blue","description":"Holds a third of a litre, survives a fall on stone and a night by the fire. Not for microwaves.","price_cents":1290,"currency":"EUR","stock":185,"created_at":"2024"}`
)

// proxy measures what a gateway adds to a request that it passes on.
func proxy(ctx context.Context, args []string) error {
	flags, s := newFlags("proxy")
	if err := flags.Parse(args); err != nil {
		return err
	}
	b, err := newBench(ctx, *s)
	if err != nil {
		return err
	}
	defer b.close()

	logs := []string{"access log off", "access log on"}
	measured := make([][]*entry, len(logs))
	for i, title := range logs {
		if measured[i], err = b.proxyTable(ctx, title, i == 1); err != nil {
			return err
		}
	}
	for i, title := range logs {
		writeRatios(os.Stdout, title, measured[i], "nginx", "caddy")
	}
	return nil
}

// proxyTable measures all gateways with or without access logs and prints the
// table.
func (b *bench) proxyTable(ctx context.Context, title string, accessLog bool) ([]*entry, error) {
	defer b.stopAll()
	origin, err := b.startOrigin(ctx, originPath, originBody)
	if err != nil {
		return nil, err
	}
	rivals, err := b.choose(ctx, []rival{
		sluice{accessLog, proxyAnswers(origin)},
		nginx{origin, accessLog},
		haproxy{origin, accessLog},
		caddy{origin, accessLog},
		netHTTP{origin, accessLog},
	})
	if err != nil {
		return nil, err
	}
	if !accessLog {
		b.writeRivals(os.Stdout)
	}
	entries, err := b.startAll(ctx, rivals, originPath)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if err := e.checkBody(ctx); err != nil {
			return nil, err
		}
	}
	if err := b.measure(ctx, entries, originPath, ""); err != nil {
		return nil, err
	}
	results(title, entries).writeTo(os.Stdout)
	fmt.Println()
	b.stopAll()
	if accessLog {
		for _, e := range entries {
			if err := checkLog(e); err != nil {
				return nil, err
			}
		}
	}
	return entries, nil
}

// checkBody makes sure that a gateway hands on the upstream's answer.
func (e *entry) checkBody(ctx context.Context) error {
	status, body, err := fetch(ctx, e.base+originPath)
	if err != nil {
		return fmt.Errorf("%s: %w", e.name, err)
	}
	if status != 200 || !slices.Equal(body, []byte(originBody)) {
		return fmt.Errorf("%s changed the upstream's answer: %d %q", e.name, status, body)
	}
	return nil
}
