package cluster

import (
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/pgconn"
)

var errNoPrimary = errors.New("the primary is not known")

// IsNoPrimary tells whether an error is that the primary is not known.
func IsNoPrimary(err error) bool { return errors.Is(err, errNoPrimary) }

// PrimaryConfig is how a connection to the primary is opened, for what needs one of its own: migrations, and locks that
// last. It is an error while the primary is not known.
func (c *Cluster) PrimaryConfig() (*pgconn.Config, error) {
	v := c.view.Load()
	if v.primary == nil {
		if v.problem != nil {
			return nil, fmt.Errorf("%w: %w", errNoPrimary, v.problem)
		}
		return nil, errNoPrimary
	}
	return v.primary.config.Copy(), nil
}
