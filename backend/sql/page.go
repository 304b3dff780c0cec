package sql

import (
	"errors"

	"github.com/sluiceapi/sluice"
)

func (b *backend) handlePage(*sluice.Env, *sluice.Endpoint, *Use, *plan, watch) (sluice.Handler, error) {
	return nil, sluice.At("page", errors.New("pages are not served yet"))
}
