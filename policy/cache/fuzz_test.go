package cache

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/state/memory"
	"github.com/sluiceapi/sluice/tag"
)

var instant = time.Date(2020, 1, 2, 3, 4, 5, 0, time.UTC)

func openTags(t testing.TB) *tag.Tags {
	env := &sluice.Env{State: memory.New(time.Now), Now: time.Now, Metrics: sluice.NoMetrics{}, Dry: true}
	tags, err := tag.Open(env)
	if err != nil {
		t.Fatal(err)
	}
	return tags
}

func sampleEntry(tags *tag.Tags) *entry {
	x := sluice.NewExchange(nil)
	x.Response.Header.Add("Content-Type", "text/plain")
	x.Response.Header.Add("Last-Modified", "Sun, 06 Nov 1994 08:49:37 GMT")
	e := newEntry(&x.Response, nil, plan{fresh: time.Minute, stale: time.Hour, public: true}, instant)
	e.fill([]byte("body"), []sluice.Version{{Source: 1, Timeline: 2, Position: 3, Timed: true}, {Source: 9}})
	e.stamps = []tag.Stamp{tags.Stamp("a", tag.ID{1}), tags.Stamp("", tag.ID{2})}
	return e
}

func TestForm(t *testing.T) {
	t.Parallel()
	tags := openTags(t)
	e := sampleEntry(tags)
	d, err := decode(e.encode(), tags.Stamp)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(d.encode(), e.encode()) || string(d.etag) != string(e.etag) || !d.modified.Equal(e.modified) || !d.public || string(d.body) != "body" {
		t.Errorf("got %+v, want %+v", d, e)
	}
	for _, e := range []*entry{newPassed(instant), newVaried([]string{"accept", "x-a"}, 7, instant)} {
		d, err := decode(e.encode(), tags.Stamp)
		if err != nil || d.sort != e.sort || !slices.Equal(d.names, e.names) {
			t.Errorf("got %+v, %v", d, err)
		}
	}
	whole := e.encode()
	for n := range whole {
		if _, err := decode(whole[:n], tags.Stamp); err == nil {
			t.Fatalf("the first %d of %d bytes are taken for a whole entry", n, len(whole))
		}
	}
}

func FuzzDecode(f *testing.F) {
	tags := openTags(f)
	f.Add(sampleEntry(tags).encode())
	f.Add(newPassed(instant).encode())
	f.Add(newVaried([]string{"accept"}, 7, instant).encode())
	f.Add([]byte{formVersion})
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := decode(b, tags.Stamp)
		if err != nil {
			return
		}
		again, err := decode(e.encode(), tags.Stamp)
		if err != nil || !bytes.Equal(again.encode(), e.encode()) {
			t.Errorf("what was read is written otherwise: %v", err)
		}
	})
}

func FuzzControl(f *testing.F) {
	f.Add("max-age=60, private=\"a, b\", s-maxage=\"5\"")
	f.Add("no-store")
	f.Add("max-age=1,max-age=2,=,;\"")
	f.Fuzz(func(t *testing.T, text string) {
		var h sluice.Header
		h.Add("Cache-Control", text)
		c := readControl(&h)
		if c.life < -1 || c.life > maxDelta*time.Second {
			t.Errorf("%q lives for %v", text, c.life)
		}
		lower := strings.ToLower(text)
		if c.never || !strings.Contains(lower, "no-store") {
			return
		}
		// Where the word stands and the answer is kept, it must be inside of something else.
		for _, part := range strings.Split(lower, ",") {
			if strings.Trim(part, " \t") == "no-store" && !strings.Contains(lower, `"`) {
				t.Errorf("%q may be kept", text)
			}
		}
	})
}

// The verdict is held against what must be true of it, whatever is asked.
func FuzzJudge(f *testing.F) {
	f.Add(uint8(1), false, int64(0), int64(60), int64(120), int64(30), false, true, uint8(1))
	f.Fuzz(func(t *testing.T, what uint8, public bool, born, fresh, stale, now int64, shows, covered bool, tags uint8) {
		e := &entry{sort: sort(what), public: public, born: born, fresh: fresh, stale: stale}
		q := question{now: time.Unix(0, now), shows: shows, covered: covered, tags: tag.Verdict(tags % 3)}
		v, why := e.judge(q)
		if v == forward {
			if why == 0 {
				t.Error("it goes on to the backend for no reason")
			}
			return
		}
		if e.sort != answered || shows && !public || now >= stale || !covered || q.tags != tag.Current || v == serve && now >= fresh || v == serveStale && now < fresh {
			t.Errorf("%+v answers %+v: %v", e, q, v)
		}
	})
}

// Two requests have one key only if they are the same, but for the order of plain parameters and the case of the host.
func FuzzKey(f *testing.F) {
	f.Add("h", "/a", "a=1&b=2", "v", "h", "/a", "b=2&a=1", "v")
	f.Add("h", "/a", "a=1&%61=2", "", "h", "/a", "%61=2&a=1", "")
	f.Add("h", "/a", "a=1;b=2&b=0", "", "h", "/a", "b=0&a=1;b=2", "")
	f.Add("h", "/"+strings.Repeat("a", 600), "", "", "h", "/"+strings.Repeat("a", 601), "", "")
	f.Fuzz(func(t *testing.T, host1, path1, query1, vary1, host2, path2, query2, vary2 string) {
		k := newKeys(&sluice.Endpoint{Name: "e"}, &Config{Vary: []string{"x-v"}})
		x, y := request(host1, path1, query1, vary1), request(host2, path2, query2, vary2)
		if k.of(x, &scratch{}) != k.of(y, &scratch{}) {
			return
		}
		same := strings.EqualFold(host1, host2) && path1 == path2 && strings.Trim(vary1, " \t") == strings.Trim(vary2, " \t")
		if !same || readings(query1) != readings(query2) {
			t.Errorf("one key for %q %q %q %q and %q %q %q %q", host1, path1, query1, vary1, host2, path2, query2, vary2)
		}
	})
}

// A place that is kept shares no memory with what the next key is made in.
func TestPlacesAreCopies(t *testing.T) {
	t.Parallel()
	k, s := newKeys(&sluice.Endpoint{Name: "e"}, &Config{}), &scratch{}
	x := request("h", "/a", "", "v")
	p := place{primary: k.of(x, s), names: []string{"x-v"}}
	p.at = k.variant(p.primary, p.names, &x.Request.Header, s)
	p = p.own()
	before := place{primary: key(strings.Clone(string(p.primary))), at: key(strings.Clone(string(p.at)))}
	y := request("h", "/b", "", "w")
	k.variant(k.of(y, s), p.names, &y.Request.Header, s)
	if p.primary != before.primary || p.at != before.at || p.primary == p.at {
		t.Errorf("the place became %q", p)
	}
}

func TestCallersApart(t *testing.T) {
	t.Parallel()
	k := newKeys(&sluice.Endpoint{Name: "e"}, &Config{Private: true})
	seen := map[key]sluice.Caller{}
	for _, c := range []sluice.Caller{{Scheme: "jwt", Issuer: "a", Subject: "b"}, {Scheme: "jwt", Issuer: "a", Subject: "c"},
		{Scheme: "jwt", Issuer: "ab", Subject: ""}, {Scheme: "jwt", Issuer: "", Subject: "ab"}, {Scheme: "jwt", Issuer: "a", Subject: " b"}} {
		x := request("h", "/a", "", "")
		x.Caller = c
		if other, twice := seen[k.of(x, &scratch{})]; twice {
			t.Errorf("%v and %v have one key", c, other)
		}
		seen[k.of(x, &scratch{})] = c
	}
	shared := newKeys(&sluice.Endpoint{Name: "e"}, &Config{Shared: true})
	if x := request("h", "/a", "", ""); k.of(x, &scratch{}) == shared.of(x, &scratch{}) {
		t.Error("what was kept as shared is found where answers are private")
	}
}

func request(host, path, query, vary string) *sluice.Exchange {
	x := sluice.NewExchange(nil)
	x.Request.Host, x.Request.Path, x.Request.Query = []byte(host), []byte(path), []byte(query)
	x.Request.Header.Add("X-V", vary)
	return x
}

// readings is what different backends see of a query: those who split it at ampersands, those who split it at semicolons
// too, and those who take names without regard to case, each with the values of a name in their order.
func readings(query string) string {
	var all strings.Builder
	for _, split := range []string{"&", "&;"} {
		for _, fold := range []bool{false, true} {
			names := map[string][]string{}
			for _, pair := range strings.FieldsFunc(query, func(r rune) bool { return strings.ContainsRune(split, r) }) {
				name, value, found := strings.Cut(pair, "=")
				decoded, _ := sluice.QueryValue(nil, []byte("x="+name), "x")
				if name = string(decoded); fold {
					name = strings.ToLower(name)
				}
				names[name] = append(names[name], fmt.Sprint(value, found))
			}
			fmt.Fprintln(&all, names)
		}
	}
	return all.String()
}
