package sluice

import (
	"context"
	"time"
)

// Surveyor is a block under backends whose data may stand in several places. It is asked without the backend being
// open, and asks the places themselves.
type Surveyor interface {
	// Survey tells where the data stands and what serves it. What cannot be reached is told as such, not as an error.
	Survey(ctx context.Context) ([]Holding, error)
}

// Holding is one part of a backend's data: a shard, or all of it.
type Holding struct {
	// Shard is the part's name, "" where there are no parts.
	Shard string
	// Keys says in words which keys belong there, such as "slots 0-1365".
	Keys string
	// Servers are what serves it.
	Servers []Server
	// Problem is why not all is known of it; nil if it is.
	Problem error
}

// Server is one server of a holding, or its file.
type Server struct {
	Address string
	// Role is what it is for now, such as "primary", "replica" or "unreachable"; Why is why it does not serve, if so.
	Role, Why string
	// Timeline and Position are how far its log has come, where it has one.
	Timeline uint32
	Position string
	// Lag is how far it is behind the primary, if LagKnown.
	Lag      time.Duration
	LagKnown bool
	// Pool is how many connections a node may open to it, and Connections how many it takes from all; zero if unknown.
	Pool, Connections int
}
