package command

import (
	"context"
	"fmt"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/config"
	"github.com/sluiceapi/sluice/job"
	"github.com/sluiceapi/sluice/job/postgres"
	"github.com/sluiceapi/sluice/job/sqlite"
	"github.com/sluiceapi/sluice/state/redis"
)

// openRedis opens what nodes share in Redis.
func openRedis(env *sluice.Env, c *config.Redis) (sluice.State, error) {
	return redis.Open(env, redis.Config{URL: c.URL, Timeout: c.Timeout, Prefix: c.Prefix, CA: string(c.CA), Cert: string(c.Cert), Key: string(c.Key)})
}

// openRecord opens the record of jobs.
func openRecord(env *sluice.Env, c *config.Jobs) (job.Record, error) {
	var r job.Record
	var err error
	if c.URL.Server != "" {
		r, err = postgres.Open(c.URL.Server.Reveal())
	} else {
		r, err = sqlite.Open(context.Background(), c.URL.Path, env.Now)
	}
	if err != nil {
		return nil, fmt.Errorf("opening the record of jobs: %w", err)
	}
	return r, nil
}
