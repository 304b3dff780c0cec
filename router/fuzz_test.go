package router_test

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/sluiceapi/sluice/router"
)

// FuzzRouter compares the router with a matcher that tries every route and has every match judged by its rank.
func FuzzRouter(f *testing.F) {
	for seed := range uint64(20) {
		f.Add(seed, seed*7)
	}
	f.Fuzz(func(t *testing.T, a, b uint64) {
		random := rand.New(rand.NewPCG(a, b))
		all := entries(t, randomRoutes(random)...)
		r, err := router.New(all)
		if err != nil {
			t.Skip()
		}
		for range 50 {
			method, host, path := pick(random, "GET", "POST", "HEAD", "PUT", "OPTIONS"), pick(random, hosts...), randomPath(random)
			got := answer(r, exchange(method, host, path))
			if want := reference(all, method, host, path); got != want {
				t.Fatalf("%s %s%s of %v\n got %s\nwant %s", method, host, path, names(all), got, want)
			}
		}
	})
}

var hosts = []string{"", "a.b.c", "x.b.c:80", "b.c", "c"}

func pick(random *rand.Rand, from ...string) string { return from[random.IntN(len(from))] }

func randomRoutes(random *rand.Rand) []string {
	var routes []string
	for range random.IntN(12) {
		text := pick(random, "GET", "POST", "HEAD", "*", "OPTIONS") + " " + pick(random, "", "", "a.b.c", "*.b.c", "*.c")
		depth := random.IntN(4)
		for i := range depth {
			text += pick(random, "/a", "/b", fmt.Sprintf("/{p%d}", i))
		}
		if end := pick(random, "", "/", "/{r...}"); depth == 0 && end == "" {
			text += "/"
		} else {
			text += end
		}
		routes = append(routes, text)
	}
	return routes
}

func randomPath(random *rand.Rand) string {
	path := ""
	for range random.IntN(5) {
		path += pick(random, "/a", "/b", "/c")
	}
	if path == "" || random.IntN(4) == 0 {
		path += "/"
	}
	return path
}

func names(all []router.Entry) (names []string) {
	for _, e := range all {
		names = append(names, e.Route.String())
	}
	return names
}

// reference is the answer that the rules demand, found the slow way.
func reference(all []router.Entry, method, host, path string) string {
	best, bestRank, bestText := -1, []int(nil), ""
	var allowed []string
	for i, e := range all {
		hostRank, ok := matchHost(e.Route.Host, host)
		if !ok {
			continue
		}
		rank, params, ok := matchPath(e.Route.String(), path)
		if !ok {
			continue
		}
		allowed = append(allowed, e.Route.Method)
		methodRank := slices.Index([]string{method, "GET", "*"}, e.Route.Method)
		if methodRank < 0 || methodRank == 1 && method != "HEAD" && method != "GET" {
			continue
		}
		rank = append(append([]int{hostRank}, rank...), methodRank)
		if best < 0 || slices.Compare(rank, bestRank) < 0 {
			best, bestRank, bestText = i, rank, e.Route.String()+params
		}
	}
	switch {
	case best >= 0:
		return bestText
	case allowed == nil:
		return "not_found"
	case method == "OPTIONS":
		return "204 Allow: " + allowText(allowed)
	}
	return "method_not_allowed Allow: " + allowText(allowed)
}

func allowText(methods []string) string {
	var all []string
	for _, m := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"} {
		if slices.Contains(methods, m) || m == "OPTIONS" || m == "HEAD" && slices.Contains(methods, "GET") {
			all = append(all, m)
		}
	}
	return strings.Join(all, ", ")
}

func matchHost(pattern, host string) (rank int, ok bool) {
	host, _, _ = strings.Cut(host, ":")
	switch {
	case pattern == "":
		return 1000, true
	case pattern == host:
		return 0, true
	case pattern[0] == '*' && strings.HasSuffix(host, pattern[1:]) && len(host) >= len(pattern):
		return 500 - len(pattern), true
	}
	return 0, false
}

// matchPath ranks a match by the kinds of the segments from left to right, where less is better.
func matchPath(route, path string) (rank []int, params string, ok bool) {
	pattern := strings.Split(route[strings.IndexByte(route, '/')+1:], "/")
	parts := strings.Split(path[1:], "/")
	for i, p := range pattern {
		name := strings.Trim(p, "{}.")
		switch {
		case strings.HasSuffix(p, "...}"):
			if i >= len(parts) {
				return nil, "", false
			}
			return append(rank, 2), params + " " + name + "=" + strings.Join(parts[i:], "/"), true
		case i >= len(parts):
			return nil, "", false
		case strings.HasPrefix(p, "{"):
			if parts[i] == "" {
				return nil, "", false
			}
			rank, params = append(rank, 1), params+" "+name+"="+parts[i]
		case p != parts[i]:
			return nil, "", false
		default:
			rank = append(rank, 0)
		}
	}
	return rank, params, cmp.Compare(len(pattern), len(parts)) == 0
}
