package sluice_test

import (
	"testing"

	"github.com/sluiceapi/sluice"
)

func TestCheckFieldName(t *testing.T) {
	t.Parallel()
	for name, ok := range map[string]bool{
		"x-tenant": true, "Cache-Control": true, "a!#$%&'*+-.^_`|~1": true,
		"": false, "a b": false, "a:": false, "ä": false, "a\n": false,
		"Host": false, "content-length": false, "Transfer-Encoding": false, "connection": false,
	} {
		if err := sluice.CheckFieldName(name); (err == nil) != ok {
			t.Errorf("%q: %v", name, err)
		}
	}
}
