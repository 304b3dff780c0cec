package main

import "testing"

func TestParseStatus(t *testing.T) {
	t.Parallel()
	const text = "Active connections: 2 \nserver accepts handled requests\n 17 16 4711 \nReading: 0 Writing: 1 Waiting: 1 \n"
	if got, err := parseStatus(text); err != nil || got != 4711 {
		t.Errorf("got %d, %v; want 4711", got, err)
	}
	for _, text := range []string{"", "a\nb\n", "a\nb\n1 2\n", "a\nb\n1 2 x\n"} {
		if got, err := parseStatus(text); err == nil {
			t.Errorf("%q: got %d, want an error", text, got)
		}
	}
}
