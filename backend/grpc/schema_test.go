package grpc_test

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/build"
	"github.com/sluiceapi/sluice/sluicetest"
)

const echoItem = `
endpoints:
  get:
    route: GET /items/{i64}
    grpc: {method: echo.v1.EchoService/Echo}
`

func ask(t testing.TB, h sluice.Handler, line string, fields ...string) sluicetest.Answer {
	t.Helper()
	return sluicetest.Do(h, sluicetest.Exchange(t, line, "", fields...))
}

// Reflection is asked for until the service answers, and the node is not ready before.
func TestReflection(t *testing.T) {
	t.Parallel()
	e := serveEcho(t, serveOptions{})
	e.stop()
	var held sync.WaitGroup
	var what string
	n := sluicetest.NodeWith(t, build.Options{Kinds: []sluice.Kind{kind()}, Hold: func(w string) func() {
		what = w
		held.Add(1)
		return held.Done
	}}, "sluice: 1\nbackends: {echo: {grpc: {target: \""+e.address+"\", reflection: true}}}\n"+echoItem)
	if a := ask(t, n, "GET /items/7"); a.Status != 503 {
		t.Errorf("before the service is there: %+v", a)
	}
	if !strings.Contains(what, "echo") {
		t.Errorf("held for %q", what)
	}
	serveEcho(t, serveOptions{address: e.address})
	ready := make(chan struct{})
	go func() {
		held.Wait()
		close(ready)
	}()
	select {
	case <-ready:
	case <-time.After(60 * time.Second):
		t.Fatal("not ready")
	}
	if a := ask(t, n, "GET /items/7"); a.Status != 200 || a.Body != `{"i64":"7"}` {
		t.Errorf("got %+v", a)
	}
}

// A descriptor set serves as .proto files do, and is read again when it changes.
func TestDescriptorSet(t *testing.T) {
	t.Parallel()
	e := serveEcho(t, serveOptions{})
	path := filepath.Join(t.TempDir(), "echo.binpb")
	set := &descriptorpb.FileDescriptorSet{}
	seen := map[string]bool{}
	var add func(f protoreflect.FileDescriptor)
	add = func(f protoreflect.FileDescriptor) {
		for i := range f.Imports().Len() {
			add(f.Imports().Get(i).FileDescriptor)
		}
		if !seen[f.Path()] {
			seen[f.Path()] = true
			set.File = append(set.File, protodesc.ToFileDescriptorProto(f))
		}
	}
	add(e.file)
	write := func() {
		t.Helper()
		wire, err := proto.Marshal(set)
		if err == nil {
			err = os.WriteFile(path, wire, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	write()
	n := sluicetest.Node(t, "sluice: 1\nbackends: {echo: {grpc: {target: \""+e.address+"\", protos: "+path+"}}}\n"+echoItem, kind())
	if a := ask(t, n, "GET /items/7?text=x"); a.Body != `{"i64":"7","text":"x"}` {
		t.Errorf("got %+v", a)
	}
	for _, f := range set.File[len(set.File)-1].MessageType[0].Field {
		if f.GetName() == "text" {
			f.Name, f.JsonName = proto.String("renamed"), proto.String("renamed")
		}
	}
	write()
	for until := time.Now().Add(60 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		a := ask(t, n, "GET /items/7?renamed=x")
		if a.Body == `{"i64":"7","renamed":"x"}` {
			break
		}
		if time.Now().After(until) {
			t.Fatalf("the changed set is not read: %+v", a)
		}
	}
}
