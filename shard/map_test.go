package shard_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/sluiceapi/sluice/shard"
)

func even(t *testing.T, names ...string) *shard.Map {
	t.Helper()
	m, err := shard.Even(names)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func text(t *testing.T, m *shard.Map) string {
	t.Helper()
	b, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestEven(t *testing.T) {
	t.Parallel()
	m := even(t, "us", "eu", "ap")
	want := `{"epoch":1,"shards":[{"name":"ap","slots":"0-1365"},{"name":"eu","slots":"1366-2730"},{"name":"us","slots":"2731-4095"}]}`
	if got := text(t, m); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got := text(t, even(t, "ap", "eu", "us")); got != want {
		t.Errorf("another order makes %s", got)
	}
	if m.Name(1365) != "ap" || m.Name(1366) != "eu" || m.Shard(4095) != 2 || m.Count(0) != 1366 || m.Count(1) != 1365 {
		t.Errorf("slots live on %s, %s and %d", m.Name(1365), m.Name(1366), m.Shard(4095))
	}
}

func TestMove(t *testing.T) {
	t.Parallel()
	m := even(t, "a", "b")
	moved, err := m.Move(shard.Range{First: 100, Last: 199}, "c")
	if err != nil {
		t.Fatal(err)
	}
	if moved, err = moved.Move(shard.Range{First: 150, Last: 150}, "b"); err != nil {
		t.Fatal(err)
	}
	want := `{"epoch":3,"shards":[{"name":"a","slots":"0-99,200-2047"},{"name":"b","slots":"150,2048-4095"},{"name":"c","slots":"100-149,151-199"}]}`
	if got := text(t, moved); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if m.Epoch() != 1 || len(m.Names()) != 2 || m.Name(150) != "a" {
		t.Error("the map that was moved from has changed")
	}
	if _, err := moved.Without("c"); err == nil || !strings.Contains(err.Error(), "99 slots live on c") {
		t.Errorf("to leave out a shard that owns slots: %v", err)
	}
	back, err := moved.Move(shard.Range{First: 100, Last: 199}, "a")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(text(t, back), `{"name":"c","slots":""}`) {
		t.Errorf("a shard without slots is lost: %s", text(t, back))
	}
	if back, err = back.Without("c"); err != nil || back.Epoch() != 5 || !slices.Equal(back.Names(), []string{"a", "b"}) {
		t.Errorf("without c: %v", err)
	}
	for _, r := range []shard.Range{{First: 2, Last: 1}, {First: 0, Last: 4096}} {
		if _, err := m.Move(r, "a"); err == nil {
			t.Errorf("%v is a range", r)
		}
	}
}

func TestMapErrors(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ text, want string }{
		{`{"epoch":1,"shards":[]}`, "there are 0 shards; want 1 to 4096"},
		{`{"epoch":0,"shards":[{"name":"a","slots":"0-4095"}]}`, "the map's epoch is 0; want 1 or more"},
		{`{"epoch":1,"shards":[{"name":"","slots":"0-4095"}]}`, `"" is no name of a shard; want text`},
		{`{"epoch":1,"shards":[{"name":"a","slots":"0-4094"}]}`, "slot 4095 lives nowhere; want all of 0 to 4095 on a shard"},
		{`{"epoch":1,"shards":[{"name":"a","slots":"0-4095"},{"name":"b","slots":"7"}]}`, "slot 7 lives on a and on b; want one shard"},
		{`{"epoch":1,"shards":[{"name":"a","slots":"0-9,9-4095"}]}`, "slot 9 lives on a and on a; want one shard"},
		{`{"epoch":1,"shards":[{"name":"a","slots":"0-4095"},{"name":"a","slots":""}]}`, "there are two shards of the name a; want one"},
		{`{"epoch":1,"shards":[{"name":"a","slots":"0-4096"}]}`, `"0-4096" is no range of slots; want two of 0 to 4095`},
		{`{"epoch":1,"shards":[{"name":"a","slots":"9-8"}]}`, `"9-8" is no range of slots`},
		{`{"epoch":1,"shards":[{"name":"a","slots":"0-4095,"}]}`, `"" is no range of slots`},
		{`{"epoch":1,"shards":[{"name":"a","slot":"0-4095"}]}`, `unknown field "slot"`},
		{`{"epoch":1,"shards":[{"name":"a","slots":"0-4095"}]} {}`, "more follows it"},
		{`{`, "reading a slot map"},
	} {
		m := even(t, "x")
		if err := m.UnmarshalJSON([]byte(c.text)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.text, err, c.want)
		}
		if m.Name(0) != "x" {
			t.Errorf("%s: the map has changed", c.text)
		}
	}
	if _, err := shard.NewMap(1, []string{"a"}, func(shard.Slot) string { return "b" }); err == nil || !strings.Contains(err.Error(), `"b", which is no shard; want one of a`) {
		t.Errorf("an owner that is no shard: %v", err)
	}
}

func FuzzMap(f *testing.F) {
	f.Add(`{"epoch":1,"shards":[{"name":"a","slots":"0-99,200-4095"},{"name":"b","slots":"100-199"},{"name":"c","slots":""}]}`)
	f.Add(`{"epoch":9223372036854775807,"shards":[{"name":"a","slots":" 0 - 1 ,2-4095"}]}`)
	f.Fuzz(func(t *testing.T, in string) {
		var m, again shard.Map
		if json.Unmarshal([]byte(in), &m) != nil {
			return
		}
		total := 0
		for i := range m.Names() {
			total += m.Count(i)
		}
		if total != shard.Slots || m.Epoch() < 1 {
			t.Fatalf("%d slots have a shard, epoch %d", total, m.Epoch())
		}
		out := text(t, &m)
		if err := json.Unmarshal([]byte(out), &again); err != nil {
			t.Fatalf("%s is not read again: %v", out, err)
		}
		if diff := cmp.Diff(out, text(t, &again)); diff != "" {
			t.Error(diff)
		}
	})
}
