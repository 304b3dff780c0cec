package main

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/sluiceapi/sluice/sluicetest/program"
)

// replicas reads a user of the shard that has two: on them, and on the primary what was just written while both are held
// back.
func replicas(ctx context.Context, s *site) ([]string, error) {
	user, err := s.userOn(ctx, 0)
	if err != nil {
		return nil, err
	}
	spread, err := s.showSpread(ctx, user)
	if err != nil {
		return nil, err
	}
	own, err := s.showOwnWrites(ctx, user)
	return append([]string{spread}, own...), err
}

// reads is how many reads of the first shard the nodes have sent to its primary or its replicas.
func (s *site) reads(ctx context.Context, target string) (float64, error) {
	return s.scrapeTrio(ctx, "sluice_sql_reads_total", `backend="shop"`, `shard="a"`, `target="`+target+`"`)
}

// counting tells how many reads went to either target while f ran.
func (s *site) counting(ctx context.Context, f func() error) (replica, primary float64, err error) {
	var counts [2][2]float64
	for i := range counts {
		for j, target := range []string{"replica", "primary"} {
			if counts[i][j], err = s.reads(ctx, target); err != nil {
				return 0, 0, err
			}
		}
		if i == 0 {
			if err := f(); err != nil {
				return 0, 0, err
			}
		}
	}
	return counts[1][0] - counts[0][0], counts[1][1] - counts[0][1], nil
}

func (s *site) showSpread(ctx context.Context, user string) (string, error) {
	const reads = 300
	var w waits
	replica, primary, err := s.counting(ctx, func() (err error) {
		w, err = measure(ctx, reads, func(i int) question { return get(s.trio[i%len(s.trio)].HTTP + "/user/" + user) })
		return err
	})
	if err != nil {
		return "", err
	}
	// A replica that a busy machine keeps from answering in time is passed over for a while.
	if replica == 0 || replica+primary != reads {
		return "", errUnlike("reads on replicas and on the primary", []float64{replica, primary}, []float64{reads, 0})
	}
	return fmt.Sprintf("%d reads: %.0f on 2 replicas, %.0f elsewhere; %s", reads, replica, primary, w), nil
}

// credit is what the user has left, as a node says to somebody with that token.
func credit(ctx context.Context, n *program.Node, user, token string) (cents int64, err error) {
	a, err := wanted(ctx, 200, withToken(get(n.HTTP+"/user/"+user), token))
	if err != nil {
		return 0, err
	}
	var u struct {
		Credit int64 `json:"credit_cents"`
	}
	return u.Credit, json.Unmarshal(a.body, &u)
}

// showOwnWrites holds the replicas back and writes. Who wrote must see it, on every node; that others see the state before
// shows that the replicas are behind.
func (s *site) showOwnWrites(ctx context.Context, user string) ([]string, error) {
	shard := s.stack.Fleet.Shards[0]
	shard.Sync()
	for _, r := range shard.Replicas {
		r.Pause()
		defer r.Resume()
	}
	before, err := credit(ctx, s.trio[0], user, "")
	if err != nil {
		return nil, err
	}
	o, token, err := place(ctx, s.trio[0], user)
	if err != nil {
		return nil, err
	}
	if token == "" {
		return nil, fmt.Errorf("the answer of a write on a shard with replicas has no Consistency-Token")
	}
	// Without a token the state before is as good.
	others, err := credit(ctx, s.trio[1], user, "")
	if err != nil {
		return nil, err
	}
	if others != before {
		return nil, errUnlike("the credit on the replicas, which are held back", others, before)
	}
	const reads = 30
	_, primary, err := s.counting(ctx, func() error {
		for i := range reads {
			own, err := credit(ctx, s.trio[i%len(s.trio)], user, token)
			if err != nil {
				return err
			}
			if own != before-o.TotalCents {
				return errUnlike("the credit that the buyer sees", own, before-o.TotalCents)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if primary != reads {
		return nil, errUnlike("reads of the buyer on the primary", primary, reads)
	}
	return []string{
		fmt.Sprintf("both held back: an order takes a credit from %d to %d; its", before, before-o.TotalCents),
		fmt.Sprintf("buyer sees that at once, %d times of %d on 3 nodes, from the primary;", reads, reads),
		fmt.Sprintf("to others, who did not write, a replica still says %d", others),
	}, nil
}
