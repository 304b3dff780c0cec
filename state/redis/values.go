package redis

import (
	"context"
	_ "embed"
	"time"

	"github.com/redis/rueidis"
)

func (s *State) valueKey(key string) string { return s.prefix + "v:" + key }

// milliseconds is a time above zero as Redis counts it, rounded up.
func milliseconds(d time.Duration) int64 {
	return max(1, int64((d+time.Millisecond-1)/time.Millisecond))
}

// Values are those under the keys.
func (s *State) Values(ctx context.Context, keys ...string) ([][]byte, error) {
	if len(keys) == 0 {
		return nil, nil
	}
	named := make([]string, len(keys))
	for i, key := range keys {
		named[i] = s.valueKey(key)
	}
	var found [][]byte
	err := s.call(ctx, &s.metrics.values, func(c rueidis.Client) (err error) {
		found, err = values(c, named)
		return err
	})
	if err != nil {
		return nil, err
	}
	return found, nil
}

// values asks one server for all, and a cluster for each, by rueidis on as many of its servers at once.
func values(c rueidis.Client, keys []string) ([][]byte, error) {
	found := make([][]byte, len(keys))
	if c.Mode() != rueidis.ClientModeCluster {
		all, err := c.Do(context.Background(), c.B().Mget().Key(keys...).Build()).ToArray()
		if err != nil {
			return nil, err
		}
		for i := range min(len(all), len(found)) {
			if found[i], err = bytesOf(all[i].AsBytes()); err != nil {
				return nil, err
			}
		}
		return found, nil
	}
	gets := make(rueidis.Commands, len(keys))
	for i, key := range keys {
		gets[i] = c.B().Get().Key(key).Build()
	}
	for i, answer := range c.DoMulti(context.Background(), gets...) {
		var err error
		if found[i], err = bytesOf(answer.AsBytes()); err != nil {
			return nil, err
		}
	}
	return found, nil
}

// bytesOf is a value, nil where Redis has none.
func bytesOf(b []byte, err error) ([]byte, error) {
	if rueidis.IsRedisNil(err) {
		return nil, nil
	}
	if b == nil && err == nil {
		b = []byte{}
	}
	return b, err
}

// SetValue puts a value under a key.
func (s *State) SetValue(ctx context.Context, key string, value []byte, ttl time.Duration) error {
	key = s.valueKey(key)
	return s.call(ctx, &s.metrics.values, func(c rueidis.Client) error {
		set := c.B().Set().Key(key).Value(rueidis.BinaryString(value)).PxMilliseconds(milliseconds(ttl)).Build()
		return c.Do(context.Background(), set).Error()
	})
}

// AddValue puts a value under a key that has none.
func (s *State) AddValue(ctx context.Context, key string, value []byte, ttl time.Duration) ([]byte, error) {
	key = s.valueKey(key)
	var there []byte
	err := s.call(ctx, &s.metrics.values, func(c rueidis.Client) (err error) {
		set := c.B().Set().Key(key).Value(rueidis.BinaryString(value)).Nx().Get().PxMilliseconds(milliseconds(ttl)).Build()
		there, err = bytesOf(c.Do(context.Background(), set).AsBytes())
		return err
	})
	switch {
	case err != nil:
		return nil, err
	case there != nil:
		return there, nil
	case value == nil:
		return []byte{}, nil
	}
	return value, nil
}

//go:embed next.lua
var nextSource string

var nextScript = rueidis.NewLuaScript(nextSource)

// Next raises the number under a key.
func (s *State) Next(ctx context.Context, key string, ttl time.Duration) (uint64, error) {
	key = s.valueKey(key)
	args := []string{decimal(uint64(milliseconds(ttl)))}
	var n int64
	err := s.call(ctx, &s.metrics.values, func(c rueidis.Client) (err error) {
		n, err = nextScript.Exec(context.Background(), c, []string{key}, args).AsInt64()
		return err
	})
	if err != nil {
		return 0, err
	}
	return uint64(n), nil
}

// DeleteValues removes what is under the keys.
func (s *State) DeleteValues(ctx context.Context, keys ...string) error {
	if len(keys) == 0 {
		return nil
	}
	named := make([]string, len(keys))
	for i, key := range keys {
		named[i] = s.valueKey(key)
	}
	return s.call(ctx, &s.metrics.values, func(c rueidis.Client) error {
		for _, err := range rueidis.MDel(c, context.Background(), named) {
			if err != nil {
				return err
			}
		}
		return nil
	})
}
