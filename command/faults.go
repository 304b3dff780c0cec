package command

import (
	"errors"
	"fmt"
	"net"

	"github.com/sluiceapi/sluice/build"
	"github.com/sluiceapi/sluice/config"
	"github.com/sluiceapi/sluice/observe"
)

// make makes a node of a config, with all mistakes that can be found: those of the parts that only the command joins
// come out together with those that build finds.
func (t *tool) make(doc *config.Document, o build.Options, previous *build.Node) (*build.Node, error) {
	if doc.Complete() {
		findFaults(doc)
	}
	o.Kinds, o.OpenRedis, o.OpenRecord, o.OpenBell = t.kinds, openRedis, openRecord, openBell
	return build.Make(doc, o, previous)
}

func findFaults(doc *config.Document) {
	listen := doc.File.Listen
	if listen.HTTP == nil && listen.HTTPS == nil {
		doc.Fault("listen", errors.New("there is nothing to listen on; want http, https or both"))
	}
	if listen.HTTPS != nil {
		doc.Fault("listen.https", serverConfig(&doc.File).HTTPS.Check())
	}
	findSharedAddresses(doc)
	traces := traceOptions(doc)
	doc.Fault("observe.traces.endpoint", traces.Check())
}

// findSharedAddresses refuses one address for two listeners. Port 0 is a free port each time.
func findSharedAddresses(doc *config.Document) {
	listen, taken := doc.File.Listen, map[string]string{}
	take := func(name, address string) {
		if _, port, err := net.SplitHostPort(address); err != nil || port == "0" {
			return
		}
		if other := taken[address]; other != "" {
			doc.Fault("listen."+name, fmt.Errorf("%s listens on %s already; want another port", other, address))
		}
		taken[address] = name
	}
	if listen.HTTP != nil {
		take("http", listen.HTTP.Address)
	}
	if listen.HTTPS != nil {
		take("https", listen.HTTPS.Address)
	}
	if listen.Admin != nil {
		take("admin", listen.Admin.Address)
	}
}

func traceOptions(doc *config.Document) observe.Traces {
	t := doc.File.Observe.Traces
	return observe.Traces{Endpoint: t.Endpoint, Sample: t.Sample, Service: t.Service, Version: version()}
}
