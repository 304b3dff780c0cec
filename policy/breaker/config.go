package breaker

import (
	"errors"
	"time"

	"github.com/sluiceapi/sluice"
)

// Config spares a backend that fails: when too large a share of an endpoint's requests has failed, the next ones are
// refused at once with 503 and Retry-After, for a while. Then a few requests try it. When they all succeed everything goes
// on as before, and when one fails it is refused for a while again.
//
//	policies:
//	  - cache: 1m
//	  - breaker: {rate: 50%, open: 5s}
//
// A request fails by an error of the backend, its timeout too, or by an answer of 500, 502, 503 or 504. One whose client
// left says nothing. What is judged is the beginning of an answer.
//
// Each endpoint has a breaker of its own, also where the block stands in a list for several, and a reload keeps its state.
// Hosts of an upstream that fail are passed over without it (see ejection): it is for when most of them do, and for
// backends without hosts. A retry before it does not try again what it refuses; one after it has it judge what came of all
// tries.
type Config struct {
	// The share of failures, among the requests of the last window, at which it opens.
	Rate sluice.Percent `yaml:"rate,short"`
	// The requests that there must have been within the window before their rate counts.
	Volume int `yaml:"volume" min:"1"`
	// The time over which the rate is taken.
	Window time.Duration `yaml:"window"`
	// For how long requests are refused before some may try.
	Open time.Duration `yaml:"open"`
	// The requests that try it, and must succeed.
	Probes int `yaml:"probes" min:"1"`
}

func defaults() Config {
	return Config{Rate: 50, Volume: 20, Window: 10 * time.Second, Open: 5 * time.Second, Probes: 3}
}

// Check refuses breakers that never open, or never close.
func (c *Config) Check() error {
	var errs []error
	if c.Rate <= 0 || c.Rate > 100 {
		errs = append(errs, sluice.At("rate", errors.New("want a share above 0% and up to 100%")))
	}
	if c.Window < 100*time.Millisecond {
		errs = append(errs, sluice.At("window", errors.New("too short to count in; want 100ms or more")))
	}
	if c.Open < time.Millisecond {
		errs = append(errs, sluice.At("open", errors.New("too short to spare anything; want a duration such as 5s")))
	}
	return errors.Join(errs...)
}
