// Package tiers runs the nodes of the example: data nodes, and an edge that calls them over mutual TLS.
package tiers

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/sluiceapi/sluice/sluicetest/program"
	"github.com/sluiceapi/sluice/sluicetest/servers"
)

// Tiers are the nodes that run. They stop with their owner.
type Tiers struct {
	Edge *program.Node
	Data []*program.Node
	// Authority has issued the certificates of all nodes. A client of a data node needs one too.
	Authority *servers.Authority
}

// Options say what is run.
type Options struct {
	// Data is how many data nodes there are.
	Data int
	// Port is where the edge listens; 0 is a free port.
	Port int
}

// Start runs the tiers: each data node with a database of its own, on free ports. It returns when all are ready.
func Start(ctx context.Context, o servers.Owner, with Options) (*Tiers, error) {
	p, err := program.Build(ctx, o)
	if err != nil {
		return nil, err
	}
	t := &Tiers{Authority: servers.NewAuthority(o, "tiers")}
	var targets []string
	for i := range with.Data {
		own := t.Authority.Issue(servers.Leaf{CommonName: "data", Server: true})
		n, err := p.Start(ctx, program.Run{Name: fmt.Sprintf("data%d", i+1), Files: []string{"examples/tiers/data.yaml"}, Variables: []string{
			"DATA_HTTPS=127.0.0.1:0", "DATA_ADMIN=127.0.0.1:0", "DATA_CERT=" + own.CertFile, "DATA_KEY=" + own.KeyFile,
			"TIERS_CA=" + t.Authority.CertFile, "USERS_URL=sqlite:" + filepath.Join(p.Dir, fmt.Sprintf("users%d.db", i+1))}})
		if err != nil {
			return nil, err
		}
		t.Data = append(t.Data, n)
	}
	for _, n := range t.Data {
		if err := n.Ready(ctx); err != nil {
			return nil, err
		}
		targets = append(targets, strings.TrimPrefix(n.HTTPS, "https://"))
	}
	own := t.Authority.Issue(servers.Leaf{CommonName: "edge", Client: true})
	t.Edge, err = p.Start(ctx, program.Run{Name: "edge", Files: []string{"examples/tiers/edge.yaml"}, Variables: []string{
		fmt.Sprintf("EDGE_HTTP=127.0.0.1:%d", with.Port), "EDGE_ADMIN=127.0.0.1:0", "EDGE_CERT=" + own.CertFile, "EDGE_KEY=" + own.KeyFile,
		"TIERS_CA=" + t.Authority.CertFile, "USERS_TARGET=" + strings.Join(targets, ",")}})
	if err != nil {
		return nil, err
	}
	return t, t.Edge.Ready(ctx)
}
