package command

import (
	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/config"
	"github.com/sluiceapi/sluice/state/redis"
)

// openRedis opens what nodes share in Redis.
func openRedis(env *sluice.Env, c *config.Redis) (sluice.State, error) {
	return redis.Open(env, redis.Config{URL: c.URL, Timeout: c.Timeout, Prefix: c.Prefix, CA: string(c.CA), Cert: string(c.Cert), Key: string(c.Key)})
}
