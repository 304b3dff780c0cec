package sluice_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/sluiceapi/sluice"
)

func TestQueryValue(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		query, name, value string
		count              int
	}{
		{"", "a", "", 0},
		{"a=1", "a", "1", 1},
		{"b=2&a=1&a=3", "a", "1", 2},
		{"a", "a", "", 1},
		{"a=&a", "a", "", 2},
		{"aa=1&A=2", "a", "", 0},
		{"a=b=c", "a", "b=c", 1},
		{"a=x+y%2Bz%20", "a", "x y+z ", 1},
		{"a=%zz%4", "a", "%zz%4", 1},
		{"a=1;b=2", "a", "1;b=2", 1},
		{"a=1;b=2", "b", "", 0},
		{"%61=1&a%62=2", "ab", "2", 1},
		{"x+y=1", "x y", "1", 1},
		{"a%5B0%5D=1", "a[0]", "1", 1},
		{"&&a=1&", "a", "1", 1},
		{strings.Repeat("%61", 200) + "=1", strings.Repeat("a", 200), "1", 1},
	} {
		value, count := sluice.QueryValue([]byte("before:"), []byte(tt.query), tt.name)
		if count != tt.count || count > 0 && string(value) != "before:"+tt.value {
			t.Errorf("%s in %q: got %q, %d times; want %q, %d times", tt.name, tt.query, value, count, tt.value, tt.count)
		}
	}
}

func TestQueryOfExchange(t *testing.T) {
	t.Parallel()
	x := sluice.NewExchange(nil)
	x.Request.Query = []byte("a=x%20y&b=&c=z")
	a, _ := x.Query("a")
	b, n := x.Query("b")
	c, _ := x.Query("c")
	if string(a) != "x y" || string(b) != "" || n != 1 || string(c) != "z" {
		t.Errorf("got %q %q %q", a, b, c)
	}
	if v, n := x.Query("d"); v != nil || n != 0 {
		t.Errorf("got %q, %d times", v, n)
	}
}

// FuzzQueryValue compares with net/url, which refuses queries with a semicolon or a bad escape.
func FuzzQueryValue(f *testing.F) {
	f.Add("a=1&b=2&a=%20", "a")
	f.Add("x+y=%zz", "x y")
	f.Add("a;b", "a")
	f.Fuzz(func(t *testing.T, query, name string) {
		value, count := sluice.QueryValue(nil, []byte(query), name)
		values, err := url.ParseQuery(query)
		if err != nil || name == "" {
			return
		}
		if count != len(values[name]) || string(value) != values.Get(name) {
			t.Fatalf("%q in %q: got %q, %d times; net/url has %q", name, query, value, count, values[name])
		}
	})
}
