package sql

import "github.com/sluiceapi/sluice"

func (base handler) handleScatter(env *sluice.Env, ep *sluice.Endpoint, use *Use, p *plan, returns string) (sluice.Handler, error) {
	return nil, nil
}
