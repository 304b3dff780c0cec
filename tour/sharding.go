package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
)

// sharding counts the shop's users on its three shards, and spreads others over two by their region.
func sharding(ctx context.Context, s *site) (lines []string, err error) {
	for _, show := range []func(context.Context, *site) (string, error){showHash, showScatter, showRegions} {
		line, err := show(ctx, s)
		if err != nil {
			return lines, err
		}
		lines = append(lines, line)
	}
	return lines, nil
}

// showHash wants all users to be on one shard each, and nodes to find each on its own.
func showHash(ctx context.Context, s *site) (string, error) {
	const users = 50000
	total, counts := 0, ""
	for i, shard := range s.stack.Fleet.Shards {
		n, err := strconv.Atoi(shard.Primary.Rows("shop", "SELECT count(*) FROM users")[0][0])
		if err != nil {
			return "", err
		}
		if n < users/4 || n > users/2 {
			return "", errUnlike(fmt.Sprintf("users on shard %c", 'a'+i), n, "about a third")
		}
		total += n
		counts += fmt.Sprintf("%d + ", n)
		id, err := s.userOn(ctx, i)
		if err != nil {
			return "", err
		}
		if _, err := wanted(ctx, 200, get(s.trio[i].HTTP+"/user/"+id+"/orders")); err != nil {
			return "", err
		}
	}
	if total != users {
		return "", errUnlike("users on all shards", total, users)
	}
	return fmt.Sprintf("%d users by id over three shards: %s", total, counts[:len(counts)-len(" + ")]), nil
}

// showScatter wants the sum over all shards to be that of the shards.
func showScatter(ctx context.Context, s *site) (string, error) {
	want := 0
	for _, shard := range s.stack.Fleet.Shards {
		n, err := strconv.Atoi(shard.Primary.Rows("shop", "SELECT count(*) FROM orders WHERE state <> 'cancelled'")[0][0])
		if err != nil {
			return "", err
		}
		want += n
	}
	shard := s.stack.Fleet.Shards[0]
	shard.Sync()
	a, err := wanted(ctx, 200, get(s.trio[0].HTTP+"/api/sales"))
	if err != nil {
		return "", err
	}
	var sales struct{ Orders int }
	if err := json.Unmarshal(a.body, &sales); err != nil {
		return "", err
	}
	if sales.Orders != want {
		return "", errUnlike("the orders of all shards", sales.Orders, want)
	}
	return fmt.Sprintf("one request asks all three: %d orders in %s", want, milliseconds(a.wait)), nil
}

// regions is a config of users who live where their country says.
const regions = `sluice: 1
listen:
  http: 127.0.0.1:0
  admin: 127.0.0.1:0
backends:
  users:
    sql:
      shards:
        eu: "${EU_URL}"
        us: "${US_URL}"
      shard_by:
        list: {DE: eu, FR: eu, IT: eu, US: us}
      schema: CREATE TABLE IF NOT EXISTS users (country TEXT, id BIGINT, PRIMARY KEY (country, id))
endpoints:
  create_user:
    route: POST /{country}/users/{id}
    input:
      id:
        type: integer
    sql:
      shard: country
      query: INSERT INTO users (country, id) VALUES ($country, $id)
  get_user:
    route: GET /{country}/users/{id}
    input:
      id:
        type: integer
    sql:
      shard: country
      query: SELECT country, id FROM users WHERE country = $country AND id = $id
      returns: one
`

func showRegions(ctx context.Context, s *site) (string, error) {
	eu, us := s.stack.Fleet.Shards[1].Primary, s.stack.Fleet.Shards[2].Primary
	config, err := s.write("regions.yaml", regions)
	if err != nil {
		return "", err
	}
	n, err := s.start(ctx, []string{config}, "EU_URL="+eu.Database("regions"), "US_URL="+us.Database("regions"))
	if err != nil {
		return "", err
	}
	defer n.Stop()
	if err := n.Ready(ctx); err != nil {
		return "", err
	}
	const each = 25
	for _, country := range []string{"DE", "FR", "IT", "US"} {
		for id := range each {
			path := fmt.Sprintf("%s/%s/users/%d", n.HTTP, country, id)
			if _, err := wanted(ctx, 200, question{method: "POST", url: path}); err != nil {
				return "", err
			}
			if _, err := wanted(ctx, 200, get(path)); err != nil {
				return "", err
			}
		}
	}
	// A country that is not listed lives nowhere.
	if _, err := wanted(ctx, 400, question{method: "POST", url: n.HTTP + "/JP/users/1"}); err != nil {
		return "", err
	}
	const count = "SELECT count(*), string_agg(DISTINCT country, ' ') FROM users"
	inEU, inUS := eu.Rows("regions", count)[0], us.Rows("regions", count)[0]
	if got, want := fmt.Sprint(inEU, inUS), fmt.Sprintf("[%d DE FR IT] [%d US]", 3*each, each); got != want {
		return "", errUnlike("users in eu and in us", got, want)
	}
	return fmt.Sprintf("%d users by region over two: %s in eu (%s), %s in us; JP: 400", 4*each, inEU[0], inEU[1], inUS[0]), nil
}
