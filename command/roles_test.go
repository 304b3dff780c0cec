package command

import "testing"

func TestRoles(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]roles{
		"api":         {api: true},
		"worker":      {worker: true},
		"worker, api": {api: true, worker: true},
		"api,api":     {api: true},
	} {
		var got roles
		if err := got.Set(text); err != nil || got != want {
			t.Errorf("%q: %+v, %v, want %+v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "api,", "cook", "api worker"} {
		got := roles{worker: true}
		if err := got.Set(text); err == nil || got != (roles{worker: true}) {
			t.Errorf("%q: %+v, %v, want an error and nothing changed", text, got, err)
		}
	}
	if got := (&roles{api: true, worker: true}).String(); got != "api,worker" {
		t.Error(got)
	}
}
