//go:build !race

package http

import "testing"

func TestGetAllocatesNothing(t *testing.T) {
	get := repeatedGet(t)
	get() // which opens the connection
	if n := testing.AllocsPerRun(500, get); n > 0 {
		t.Errorf("%v allocations for a GET that is passed on", n)
	}
}
