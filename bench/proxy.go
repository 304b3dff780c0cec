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

// proxyTable is one table of gateways.
type proxyTable struct {
	title     string
	accessLog bool
	crowded   bool // two cores for the gateway, and many connections
}

// crowd is how many connections a crowded table has.
const crowd = 512

// proxy measures what a gateway adds to a request that it passes on.
func proxy(ctx context.Context, args []string) error {
	b, err := newProfiled(ctx, "proxy", args)
	if err != nil {
		return err
	}
	defer b.close()

	tables := []proxyTable{
		{title: "access log off"},
		{title: "access log on", accessLog: true},
		{title: fmt.Sprintf("2 cores, %d connections", crowd), crowded: true},
	}
	measured := make([][]*entry, len(tables))
	for i, t := range tables {
		if measured[i], err = b.measureProxies(ctx, t); err != nil {
			return err
		}
	}
	for i, t := range tables {
		writeRatios(os.Stdout, t.title, measured[i], "nginx", "haproxy", "caddy", "net/http")
	}
	fmt.Println()
	plain, crowded := tables[0].title, tables[2].title
	writeGoals(os.Stdout,
		cpuGoal(plain, measured[0], "nginx", 1.1),
		cpuGoal(plain, measured[0], fasthttpName, 1),
		cpuGoal(plain, measured[0], "caddy", 0.3),
		cpuGoal(crowded, measured[2], "nginx", 1.4),
		cpuGoal(crowded, measured[2], fasthttpName, 1))
	return nil
}

// measureProxies measures all gateways and prints the table.
func (b *bench) measureProxies(ctx context.Context, t proxyTable) ([]*entry, error) {
	defer b.stopAll()
	if t.crowded {
		b.useTwoCores()
		b.connections = crowd
	}
	origin, err := b.startOrigin(ctx, originPath, originBody)
	if err != nil {
		return nil, err
	}
	rivals, err := b.choose(ctx, []rival{
		sluice{accessLog: t.accessLog, answers: proxyAnswers(origin)},
		nginx{origin, t.accessLog},
		haproxy{origin, t.accessLog},
		caddy{origin, t.accessLog},
		netHTTP{origin, t.accessLog},
		fasthttpProxy{origin},
	})
	if err != nil {
		return nil, err
	}
	if !t.accessLog && !t.crowded {
		b.writeRivals(os.Stdout)
	}
	if t.accessLog { // of which fasthttp has none
		rivals = slices.DeleteFunc(rivals, func(r rival) bool { return r.name() == fasthttpName })
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
	results(t.title, entries).writeTo(os.Stdout)
	fmt.Println()
	if err := b.profileSluice(ctx, t.title, entries, originPath, ""); err != nil {
		return nil, err
	}
	b.stopAll()
	if t.accessLog {
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
