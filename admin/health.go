package admin

import (
	"runtime"
	"runtime/debug"

	"github.com/sluiceapi/sluice"
)

// Status is whether a node takes requests.
type Status string

// The statuses of a node.
const (
	Starting Status = "starting"
	Ready    Status = "ready"
	Draining Status = "draining"
)

// State is what is known of a backend.
type State string

// The states of a backend. Unknown is one that was not asked yet.
const (
	Unknown State = "unknown"
	Working State = "working"
	Failing State = "failing"
)

// Health is what a node knows of itself. A backend that fails makes no node unready, or its outage would take all
// nodes from behind the load balancer at once.
type Health struct {
	Status Status
	// Waits is what must be reached before the node is ready for the first time.
	Waits  []string
	Checks []Check
}

// Check is the last known state of one backend. Why it fails is for the log: anyone may ask for the state.
type Check struct {
	Name  string
	State State
}

func (a *admin) serveAlive(x *sluice.Exchange) error {
	respond(x, "application/json", []byte(`{"status":"alive"}`))
	return nil
}

func (a *admin) serveReady(x *sluice.Exchange) error {
	health := a.Health()
	if health.Status != Ready {
		x.Response.Status = 503
	}
	b := append(x.Response.Body.Buffer(), `{"status":`...)
	b = sluice.AppendJSONString(b, []byte(health.Status))
	b = append(b, `,"checks":{`...)
	for i, check := range health.Checks {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(sluice.AppendJSONString(b, []byte(check.Name)), ':')
		b = sluice.AppendJSONString(b, []byte(check.State))
	}
	b = append(b, '}')
	for i, what := range health.Waits {
		if i == 0 {
			b = append(b, `,"waits_for":[`...)
		} else {
			b = append(b, ',')
		}
		b = sluice.AppendJSONString(b, []byte(what))
	}
	if len(health.Waits) > 0 {
		b = append(b, ']')
	}
	b = append(b, '}')
	x.Response.Header.Set("Content-Type", "application/json")
	x.Response.Body.SetBuffer(b)
	return nil
}

func (a *admin) serveVersion(x *sluice.Exchange) error {
	respond(x, "application/json", a.version)
	return nil
}

// versionJSON says what runs: the version, the Go it was built with, and the commit where the build knows it.
func versionJSON(version string) []byte {
	b := sluice.AppendJSONString([]byte(`{"version":`), []byte(version))
	b = sluice.AppendJSONString(append(b, `,"go":`...), []byte(runtime.Version()))
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				b = sluice.AppendJSONString(append(b, `,"commit":`...), []byte(s.Value))
			}
		}
	}
	return append(b, '}')
}

func respond(x *sluice.Exchange, contentType string, body []byte) {
	x.Response.Header.Set("Content-Type", contentType)
	x.Response.Body.SetBytes(body)
}
