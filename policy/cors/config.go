package cors

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/sluiceapi/sluice"
)

// Config lets pages of other origins call the endpoint from a browser (CORS, as the Fetch standard has it), and
// answers the preflights that browsers send first. It tells browsers what they may do; it keeps nobody out: a request
// of an origin that is not named is served, and the browser hides the answer from the page.
//
// The answer to a preflight is always 204. Where the origin, the method or a field asked for is not allowed, the
// answer allows nothing at all. What a backend itself says about CORS is replaced.
//
//	every_endpoint:
//	  - cors:
//	      origins: [https://shop.example.org, "https://*.example.org"]
//	      credentials: true
//	  - use: signed_in
type Config struct {
	// The origins that may call: exact ones such as https://shop.example.org or http://localhost:3000; patterns such
	// as https://*.example.org, where the star stands for one or more labels of the host; or *, which is everyone.
	Origins []string `yaml:"origins,short" required:"true"`
	// The methods that may be used. Left out, those that the endpoint has a route for.
	Methods []string `yaml:"methods"`
	// The request fields that may be sent. * stands for those that the browser asks for.
	Headers []string `yaml:"headers"`
	// The response fields that pages may read, beyond those that they always may.
	Expose []string `yaml:"expose"`
	// Browsers send cookies and client certificates along. It needs origins that are named.
	Credentials bool `yaml:"credentials"`
	// How long browsers may remember the answer to a preflight. Most remember it for two hours at most.
	MaxAge time.Duration `yaml:"max_age"`
}

func defaults() Config { return Config{Headers: []string{star}, MaxAge: 10 * time.Minute} }

// star stands for everything that could be asked for.
const star = "*"

// Check refuses origins that browsers never send, and credentials for everyone.
func (c *Config) Check() error {
	var errs []error
	if len(c.Origins) == 0 {
		errs = append(errs, sluice.At("origins", errors.New("no origin may call; want at least one, such as https://shop.example.org")))
	}
	for i, text := range c.Origins {
		if text == star {
			continue
		}
		_, err := parseOrigin(text)
		errs = append(errs, sluice.At(fmt.Sprintf("origins[%d]", i), err))
	}
	if slices.Contains(c.Origins, star) {
		if len(c.Origins) > 1 {
			errs = append(errs, sluice.At("origins", errors.New("* is everyone; want it alone")))
		}
		if c.Credentials {
			errs = append(errs, sluice.At("credentials", errors.New("every page on the web could act for the user; want origins that are named, or no credentials")))
		}
	}
	if c.Credentials && slices.Contains(c.Expose, star) {
		errs = append(errs, sluice.At("expose", errors.New("browsers do not take * together with credentials; want names of fields")))
	}
	if c.MaxAge < 0 {
		errs = append(errs, sluice.At("max_age", errors.New("it is negative")))
	}
	errs = append(errs, checkTokens("methods", c.Methods), checkTokens("headers", c.Headers), checkTokens("expose", c.Expose))
	return errors.Join(errs...)
}

// checkTokens wants tokens; * is one, and wherever it stands it must stand alone.
func checkTokens(field string, names []string) error {
	var errs []error
	for i, name := range names {
		if !sluice.ValidFieldName([]byte(name)) {
			errs = append(errs, sluice.At(fmt.Sprintf("%s[%d]", field, i), fmt.Errorf("%q is not a name", name)))
		}
	}
	if len(names) > 1 && slices.Contains(names, star) {
		errs = append(errs, sluice.At(field, errors.New("* is everything; want it alone")))
	}
	if field == "methods" && slices.Contains(names, star) {
		errs = append(errs, sluice.At(field, errors.New("* is no method; leave methods out to allow those of the endpoint")))
	}
	return errors.Join(errs...)
}
