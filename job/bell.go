package job

import "context"

// Hint tells workers to look at a job. A hint may be lost, doubled, late and out of order: the record decides.
type Hint struct {
	Job      string `json:"job"`
	Endpoint string `json:"endpoint"`
	// Trace is Job.Trace.
	Trace string `json:"trace,omitempty"`
}

// Bell carries hints to workers. All methods may be called at once. A bell heals by itself from a broker that was away,
// also where it was away from the start.
type Bell interface {
	// Publish returns once the broker has confirmed all hints; of an error it is not known which have arrived.
	Publish(ctx context.Context, hints []Hint) error
	// Consume has ring called for hints as they come, up to credit at once, until ctx ends and the last has returned; then it
	// returns nil. At most credit hints are taken from others before they are acknowledged, which they are when ring returns true; where it returns
	// false, the hint goes to somebody else, or comes back later.
	Consume(ctx context.Context, credit int, ring func(Hint) (taken bool)) error
	// Depth is how many hints wait to be taken.
	Depth(ctx context.Context) (int64, error)
	// Ping tells whether the broker can be reached now.
	Ping(ctx context.Context) error
	// Close lets go of the broker, after what is being published has ended.
	Close(ctx context.Context) error
}
