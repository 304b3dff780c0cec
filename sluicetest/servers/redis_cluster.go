package servers

import (
	"errors"
	"fmt"
	"strings"
)

// redisNodes is how many a cluster needs to agree on the loss of one.
const redisNodes = 3

// StartRedisCluster starts a Redis Cluster of three primaries and waits until each of them knows all slots served. Its
// address is that of any of them.
func StartRedisCluster(o Owner, options RedisOptions) []*Redis {
	o.Helper()
	if options.TLS != nil {
		o.Fatalf("a Redis cluster with TLS is not made here; want one Redis, or no TLS")
	}
	nodes, err := startRedisCluster(o, options)
	if err != nil {
		lacking(o, err)
	}
	return nodes
}

func startRedisCluster(o Owner, options RedisOptions) ([]*Redis, error) {
	nodes := make([]*Redis, redisNodes)
	starts := make([]func() error, redisNodes)
	for i := range nodes {
		starts[i] = func() (err error) {
			nodes[i], err = startRedis(o, options, true)
			return err
		}
	}
	if err := parallel(starts...); err != nil {
		return nil, err
	}
	const slots = 16384
	for i, r := range nodes {
		first, next := i*slots/redisNodes, (i+1)*slots/redisNodes
		_, err := r.Run("CLUSTER", "ADDSLOTSRANGE", fmt.Sprint(first), fmt.Sprint(next-1))
		_, err2 := r.Run("CLUSTER", "SET-CONFIG-EPOCH", fmt.Sprint(i+1))
		_, err3 := r.Run("CLUSTER", "MEET", "127.0.0.1", fmt.Sprint(nodes[0].port), fmt.Sprint(nodes[0].bus))
		if err := errors.Join(err, err2, err3); err != nil {
			return nil, err
		}
	}
	for _, r := range nodes {
		err := poll(patience, func() (bool, error) {
			info, err := r.Run("CLUSTER", "INFO")
			return err == nil && strings.Contains(info[0], "cluster_state:ok") &&
				strings.Contains(info[0], fmt.Sprintf("cluster_known_nodes:%d", redisNodes)), err
		})
		if err != nil {
			return nil, fmt.Errorf("waiting for the Redis cluster: %w", err)
		}
	}
	return nodes, nil
}
