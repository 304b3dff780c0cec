package command

import (
	"context"
	"errors"
	"fmt"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/broker"
	"github.com/sluiceapi/sluice/broker/scheme"
	"github.com/sluiceapi/sluice/config"
	"github.com/sluiceapi/sluice/job"
	"github.com/sluiceapi/sluice/job/bell"
	"github.com/sluiceapi/sluice/job/postgres"
	"github.com/sluiceapi/sluice/job/sqlite"
	"github.com/sluiceapi/sluice/state/redis"
)

// openRedis opens what nodes share in Redis.
func openRedis(env *sluice.Env, c *config.Redis) (sluice.State, error) {
	return redis.Open(env, redis.Config{URL: c.URL, Timeout: c.Timeout, Prefix: c.Prefix, CA: string(c.CA), Cert: string(c.Cert), Key: string(c.Key)})
}

// openRecord opens the record of jobs. It connects to nothing before it is asked.
func openRecord(env *sluice.Env, c *config.Jobs) (job.Record, error) {
	if env.Dry {
		if c.URL.Server == "" {
			return nil, nil
		}
		return nil, postgres.Check(c.URL.Server.Reveal())
	}
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

// openBell opens what wakes workers. It connects to nothing before it is rung or heard.
func openBell(env *sluice.Env, c *config.Bell) (job.Bell, error) {
	a, err := broker.ParseAddress(string(c.URL))
	if err == nil && a.Scheme == "memory" {
		err = errors.New("a bell in memory wakes only the process that rings it, as one does without any address; want the address of a broker, or none")
	}
	if err != nil {
		return nil, sluice.At("url", err)
	}
	if err := a.CheckQueue(c.Queue); err != nil {
		return nil, sluice.At("queue", err)
	}
	tls, err := a.Encrypted(string(c.CA), string(c.Cert), string(c.Key))
	if err != nil {
		return nil, err
	}
	opened, err := scheme.Open(a, broker.Options{Create: true, TLS: tls})
	if err != nil {
		return nil, sluice.At("url", err)
	}
	if env.Dry {
		return nil, opened.Close(context.Background())
	}
	b := bell.New(opened, c.Queue, env.Log)
	env.Metrics.Gauge("sluice_job_bell_up", "Whether the process hears of jobs through the broker", func() float64 {
		if b.Heard() {
			return 1
		}
		return 0
	})
	return b, nil
}
