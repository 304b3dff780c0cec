package broker_test

import (
	"reflect"
	"strings"
	"testing"

	"github.com/sluiceapi/sluice/broker"
)

func TestParseAddress(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]broker.Address{
		"memory:":          {Scheme: "memory"},
		"amqp://rabbit":    {Scheme: "amqp", Hosts: []string{"rabbit:5672"}},
		"amqps://a,b:99/v": {Scheme: "amqp", TLS: true, Hosts: []string{"a:5671", "b:99"}, Path: "v"},
		"amqp://u:p%23%3F%40%2F%25:x@[::1]:1/%2Fv": {Scheme: "amqp", User: "u", Password: "p#?@/%:x", Hosts: []string{"[::1]:1"}, Path: "/v"},
		"nats://n":                      {Scheme: "nats", Hosts: []string{"n:4222"}},
		"natss://a@b@n":                 {Scheme: "nats", TLS: true, User: "a@b", Hosts: []string{"n:4222"}},
		"kafka://k1,k2:9/?group=a%20b":  {Scheme: "kafka", Hosts: []string{"k1:9092", "k2:9"}},
		"kafkas://u:pass@[fe80::1]:200": {Scheme: "kafka", TLS: true, User: "u", Password: "pass", Hosts: []string{"[fe80::1]:200"}},
	} {
		got, err := broker.ParseAddress(text)
		got.Query = nil
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, %v; want %+v", text, got, err, want)
		}
	}
	if a, _ := broker.ParseAddress("kafka://k?group=a%20b&x=1"); a.Query.Get("group") != "a b" || a.Only("group") != "x" || a.Only("x", "group") != "" {
		t.Errorf("query %v", a.Query)
	}
	for _, text := range []string{"", "amqp", "amqp:", "amqp://", "http://x", "amqp://u:secret#1@h", "amqp://u:secret%zz@h", "amqp://u:secret@h:0",
		"amqp://u:secret@h:70000", "amqp://u:secret?@h", "amqp://u:secret/@h", "memory://", "memory:x", "amqp://h, b", "amqp://u:secret@",
		"amqp://" + strings.Repeat("h,", 70) + "h", "natsss://h", "s://h"} {
		if _, err := broker.ParseAddress(text); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func FuzzParseAddress(f *testing.F) {
	for _, text := range []string{"memory:", "amqp://u:p%23@a,b:1/v", "kafkas://[::1]?group=x", "natss://h"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		a, err := broker.ParseAddress(text)
		if err == nil && len(a.Hosts) == 0 && a.Scheme != "memory" {
			t.Errorf("%q is an address without a host: %+v", text, a)
		}
	})
}

func TestCheckQueue(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		scheme, name string
		good         bool
	}{
		{"memory", "orders/új", true}, {"memory", "", false}, {"memory", "a b", false}, {"memory", "a\xff", false}, {"memory", strings.Repeat("a", 256), false},
		{"amqp", "a:b/c", true}, {"amqp", "amq.x", false}, {"kafka", "a.b_c-D9", true}, {"kafka", "a/b", false}, {"kafka", "..", false},
		{"nats", "a.b", true}, {"nats", "a..b", false}, {"nats", "a.*", false}, {"nats", ".a", false}, {"nats", strings.Repeat("a", 201), false},
	} {
		a := broker.Address{Scheme: c.scheme}
		if err := a.CheckQueue(c.name); (err == nil) != c.good {
			t.Errorf("%s %q: %v", c.scheme, c.name, err)
		}
	}
}
