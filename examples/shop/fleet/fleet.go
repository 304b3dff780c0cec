// Package fleet starts the servers that fleet.yaml of the shop names.
package fleet

import (
	"crypto/rand"
	"fmt"

	"github.com/sluiceapi/sluice/sluicetest/servers"
)

// Fleet is those servers. Databases are made by Variables.
type Fleet struct {
	Redis   *servers.Redis
	Catalog *servers.Postgres
	// Shards are a, b and c; a has two replicas.
	Shards []*servers.Cluster

	key string
}

// Start starts them; they stop with their owner.
func Start(o servers.Owner) *Fleet {
	f := &Fleet{Redis: servers.StartRedis(o, servers.RedisOptions{}), Catalog: servers.StartPostgres(o, servers.Options{}), key: rand.Text()}
	f.Shards = append(f.Shards, servers.StartCluster(o, servers.Options{}, 2))
	f.Shards = append(f.Shards, servers.StartShards(o, servers.Options{}, 2, 0)...)
	return f
}

// Variables makes empty databases of a name on all of them, and tells fleet.yaml where they are: NAME=VALUE, as in an
// environment.
func (f *Fleet) Variables(database string) []string {
	all := []string{"REDIS_URL=" + f.Redis.URL(), "SHOP_KEY=" + f.key, "CATALOG_URL=" + f.Catalog.Database(database)}
	for i, s := range f.Shards {
		s.Primary.Database(database)
		s.Sync() // a node may ask a replica first
		all = append(all, fmt.Sprintf("SHOP_%c_URL=%s", 'A'+i, s.URL(database)))
	}
	return all
}
