package headers

import (
	"errors"
	"fmt"

	"github.com/sluiceapi/sluice"
)

// Config changes header fields: of the request before it goes on to the policies below and the backend, and of the
// response on its way back, also when that is an error. Of an error, fields that describe its content (Content-…,
// Cache-Control, ETag and the like) are the server's own. Fields are removed first, then set, then added.
//
//	policies:
//	  - headers:
//	      request:
//	        set:
//	          x-tenant: "{caller.claims.tenant}"
//	        remove: [cookie]
//	      response:
//	        set:
//	          cache-control: no-store
//	        add:
//	          link: "</terms>; rel=\"terms-of-service\""
//	        remove: [x-powered-by]
type Config struct {
	// Changes of the request.
	Request Changes `yaml:"request"`
	// Changes of the response.
	Response Changes `yaml:"response"`
}

// Changes are changes of one header. Fields that belong to the connection or to the framing of a message, such as
// Connection, Content-Length and Transfer-Encoding, cannot be changed, nor can Host.
type Changes struct {
	// Fields that are set, in place of those of the same name. Values may hold references in braces. Where a value
	// comes out empty, because the request did not bring what it refers to, there is no such field: not even the one
	// that the client sent.
	Set sluice.Map[sluice.Template] `yaml:"set"`
	// Fields that are added to those of the same name. A value that comes out empty is left out.
	Add sluice.Map[sluice.Template] `yaml:"add"`
	// Names of fields that are taken away.
	Remove []string `yaml:"remove"`
}

// Check refuses names that are none, fields that are not the user's to change, and changes of nothing.
func (c *Config) Check() error {
	if c.Request.empty() && c.Response.empty() {
		return errors.New("nothing is changed; want request or response, with set, add or remove")
	}
	return errors.Join(c.Request.check("request"), c.Response.check("response"))
}

func (c *Changes) empty() bool { return len(c.Set)+len(c.Add)+len(c.Remove) == 0 }

func (c *Changes) check(at string) error {
	errs := append(checkFields(at+".set", c.Set), checkFields(at+".add", c.Add)...)
	for i, name := range c.Remove {
		errs = append(errs, sluice.At(fmt.Sprintf("%s.remove[%d]", at, i), sluice.CheckFieldName(name)))
		for _, e := range c.Set {
			if sluice.SameToken(e.Name, name) {
				errs = append(errs, sluice.At(fmt.Sprintf("%s.remove[%d]", at, i), fmt.Errorf("%s is set too, which replaces it", name)))
			}
		}
	}
	return errors.Join(errs...)
}

func checkFields(at string, m sluice.Map[sluice.Template]) []error {
	errs := []error{sluice.CheckFields(at, m)}
	for i := range m {
		if m[i].Value.String() == "" {
			errs = append(errs, sluice.At(at+"."+m[i].Name, errors.New("an empty value; want remove to take a field away")))
		}
	}
	return errs
}
