package grpc

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/protobuf/proto"

	"github.com/sluiceapi/sluice/rpc"
)

// maxOwn is the size of a message that answers a question of the backend's own.
const maxOwn = 16 << 20

// ask makes a call of the backend's own to a host: requests, one after another, and an answer to each, of which take is
// told. The status is that of the call; an error says why there is none.
func (b *backend) ask(ctx context.Context, l *link, method string, requests []proto.Message, take func(wire []byte) error) (s rpc.Status, err error) {
	var body []byte
	for _, m := range requests {
		wire, err := proto.Marshal(m)
		if err != nil {
			return s, err
		}
		body = rpc.AppendFrame(body, wire)
	}
	r := &http.Request{Method: "POST", URL: &url.URL{Scheme: b.scheme(), Host: l.authority, Path: method}, Host: l.authority,
		Header: http.Header{"Content-Type": {rpc.ContentType}, "Te": {"trailers"}, "User-Agent": {"sluice"}},
		Body:   io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body))}
	if until, bounded := ctx.Deadline(); bounded {
		r.Header["Grpc-Timeout"] = []string{string(rpc.AppendTimeout(nil, time.Until(until)))}
	}
	t := l.begin()
	defer t.done()
	answer, err := t.RoundTrip(r.WithContext(ctx))
	if err != nil {
		return s, err
	}
	defer answer.Body.Close()
	if err := checkAnswer(answer); err != nil {
		return s, err
	}
	frames := rpc.NewReader(answer.Body, answer.Header.Get("Grpc-Encoding"), maxOwn)
	for {
		wire, err := frames.Next()
		if err == io.EOF {
			break
		}
		if err == nil {
			err = take(wire)
		}
		if err != nil {
			return s, unusable(err)
		}
	}
	s, ok := statusOf(answer)
	if !ok {
		return s, errNoStatus
	}
	return s, nil
}

func (b *backend) scheme() string {
	if b.secure {
		return "https"
	}
	return "http"
}

// check asks a host whether it is well. Where it does not even answer, its connections are given up: they may be dead.
func (b *backend) check(ctx context.Context, l *link) error {
	answer := &grpc_health_v1.HealthCheckResponse{}
	request := &grpc_health_v1.HealthCheckRequest{Service: b.where.Health.Service}
	s, err := b.ask(ctx, l, grpc_health_v1.Health_Check_FullMethodName, []proto.Message{request}, func(wire []byte) error {
		return proto.Unmarshal(wire, answer)
	})
	switch {
	case err != nil:
		b.links.renew(l)
		return err
	case s.Code != codes.OK:
		return fmt.Errorf("it answers to %s with %s: %s", grpc_health_v1.Health_Check_FullMethodName, s.Code, s.Message)
	case answer.GetStatus() != grpc_health_v1.HealthCheckResponse_SERVING:
		return fmt.Errorf("it is %s", answer.GetStatus())
	}
	return nil
}
