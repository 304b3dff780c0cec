package config

import (
	"errors"
	"fmt"
	"time"

	"github.com/sluiceapi/sluice"
)

// maxHold is how long a message may be held at most: RabbitMQ takes one back after 30 minutes, and ends the connection.
const maxHold = 25 * time.Minute

// Check wants a cap that is no less than the base, names of fields, and an end before the broker takes a message back.
func (c *Consume) Check() error {
	var errs []error
	if c.Backoff.Cap < c.Backoff.Base {
		errs = append(errs, sluice.At("backoff.cap", errors.New("it is less than base; want at least as much")))
	}
	for _, h := range c.Headers {
		if !sluice.ValidFieldName([]byte(h)) {
			errs = append(errs, sluice.At("headers", fmt.Errorf("%s is no name of a header field; want letters, digits and -", h)))
		}
	}
	if held := c.held(); held > maxHold {
		errs = append(errs, sluice.At("attempts", fmt.Errorf(
			"with this timeout and backoff a message is held for up to %v, and brokers take it back before; want at most %v in all", held, maxHold)))
	}
	return errors.Join(errs...)
}

// held is the longest time from when a message is taken to its end; what is beyond maxHold is not counted on.
func (c *Consume) held() (held time.Duration) {
	wait := c.Backoff.Base
	for i := range c.Attempts {
		held += c.Timeout
		if i > 0 {
			held += min(wait, c.Backoff.Cap)
			wait = min(2*wait, maxHold)
		}
		if held > maxHold {
			break
		}
	}
	return held
}

// Consumption is how the endpoint's messages are served, as the file says it or by default.
func (e *Endpoint) Consumption() Consume {
	if e.Consume != nil {
		return *e.Consume
	}
	return Consume{Attempts: 5, Backoff: Backoff{Base: time.Second, Cap: time.Minute}, Timeout: 30 * time.Second, AtOnce: 16}
}
