package observe

import (
	"bytes"
	"net"
	"strconv"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"

	"github.com/sluiceapi/sluice"
)

// methodName is the name of a server span before its route is known.
func methodName(method string) string {
	if methodIndex(method) == len(methods) {
		return "HTTP"
	}
	return method
}

// describe names the span and sets its attributes: OpenTelemetry's stable ones for HTTP servers, and the endpoint.
// The query is not among them, since queries hold secrets.
func (s *serverEnd) describe(e *ended) {
	x, o := e.x, &e.outcome
	req := &x.Request
	var space [20]attribute.KeyValue
	set := append(space[:0],
		attribute.String("sluice.endpoint", valid(e.series.endpoint)),
		attribute.String("sluice.request_id", string(x.RequestID())),
		semconv.URLScheme(req.Scheme),
		semconv.URLPath(borrowed(req.Path)),
		semconv.HTTPResponseStatusCode(o.Status))
	set = appendMethod(set, req.Method)
	set = appendServer(set, req)
	client := ""
	if req.Client.IsValid() {
		client = req.Client.String()
		set = append(set, semconv.ClientAddress(client))
	}
	if req.Remote.IsValid() {
		peer := client
		if req.Remote.Addr() != req.Client {
			peer = req.Remote.Addr().String()
		}
		set = append(set, semconv.NetworkPeerAddress(peer), semconv.NetworkPeerPort(int(req.Remote.Port())))
	}
	if _, version, found := strings.Cut(req.Proto, "/"); found {
		set = append(set, semconv.NetworkProtocolVersion(strings.TrimSuffix(version, ".0")))
	}
	if agent := req.Header.Value("User-Agent"); len(agent) > 0 {
		set = append(set, semconv.UserAgentOriginal(borrowed(agent)))
	}
	if call, is := strings.CutPrefix(x.Route, "grpc "); is {
		s.sdk.SetName(call)
		set = append(set, semconv.RPCSystemNameGRPC, semconv.RPCMethod(call))
	} else if slash := strings.IndexByte(x.Route, '/'); slash >= 0 {
		path := x.Route[slash:]
		s.sdk.SetName(methodName(req.Method) + " " + path)
		set = append(set, semconv.HTTPRoute(path))
	}
	s.sdk.SetAttributes(set...)
	s.describeFailure(o)
}

// describeFailure marks the span as failed when the node failed; what the client did wrong is no failure of ours.
func (s *serverEnd) describeFailure(o *sluice.Outcome) {
	switch {
	case o.Err != nil && (o.Status < 400 || o.Status >= 500):
		s.fail(sluice.ErrorOf(o.Err).Code.String(), o.Err.Error())
	case o.Status >= 500:
		s.fail(strconv.Itoa(o.Status), "")
	}
}

func appendMethod(set []attribute.KeyValue, method string) []attribute.KeyValue {
	if methodIndex(method) == len(methods) {
		return append(set, semconv.HTTPRequestMethodOther, semconv.HTTPRequestMethodOriginal(borrowed([]byte(method))))
	}
	return append(set, semconv.HTTPRequestMethodKey.String(method))
}

func appendServer(set []attribute.KeyValue, req *sluice.Request) []attribute.KeyValue {
	if len(req.Host) == 0 {
		return set
	}
	if bytes.IndexByte(req.Host, ':') < 0 {
		return append(set, semconv.ServerAddress(borrowed(req.Host)))
	}
	host, port, err := net.SplitHostPort(string(req.Host))
	if err != nil {
		return append(set, semconv.ServerAddress(borrowed(req.Host)))
	}
	set = append(set, semconv.ServerAddress(valid(host)))
	if n, err := strconv.ParseUint(port, 10, 16); err == nil {
		set = append(set, semconv.ServerPort(int(n)))
	}
	return set
}

// borrowed is a copy of what a client sent, of bounded length and valid.
func borrowed(b []byte) string { return valid(string(cut(b))) }
