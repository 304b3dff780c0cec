package command

import (
	"path/filepath"
	"strings"
	"testing"
)

func TestMistakesOfBell(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"redis://h":             "state.bell: *** does not fit; want amqp://, kafka:// or nats://",
		"amqp://u:secret#1@h":   "state.bell: it cannot be read; want % and letters such as #",
		"amqp://h?heartbeat=1s": "state.bell: *** does not fit; want nothing behind a question mark",
		"memory:":               "state.bell: *** does not fit; want the address of a broker, or none",
		"amqp://h":              "",
		"":                      "",
	} {
		file := write(t, filepath.Join(t.TempDir(), "sluice.yaml"),
			"sluice: 1\nlisten:\n  http: 127.0.0.1:0\nstate:\n  bell: \""+address+"\"\nendpoints:\n  e:\n    route: POST /\n    policies:\n      - async\n    static:\n      body: a\n")
		code, _, errs := runTool(t, "check", file)
		if (code == exitOK) != (want == "") || !strings.Contains(errs, want) || strings.Contains(errs, "secret") {
			t.Errorf("%s: %d %s\nwant %s", address, code, errs, want)
		}
	}
}
