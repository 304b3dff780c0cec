package reflection_test

import (
	"bytes"
	"io"
	"testing"

	v1 "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/protobuf/proto"

	"github.com/sluiceapi/sluice/rpc"
	"github.com/sluiceapi/sluice/rpc/reflection"
	"github.com/sluiceapi/sluice/sluicetest"
)

// FuzzReflection holds that no body of a call does harm, and that every answer is one of the protocol.
func FuzzReflection(f *testing.F) {
	h := reflection.New(nil, append([]string{"a.B"}, reflection.Services...))
	for _, q := range []*v1.ServerReflectionRequest{
		{MessageRequest: &v1.ServerReflectionRequest_ListServices{}},
		{MessageRequest: &v1.ServerReflectionRequest_FileContainingSymbol{FileContainingSymbol: reflection.Services[0]}},
		{MessageRequest: &v1.ServerReflectionRequest_FileByFilename{FileByFilename: "a.proto"}},
		{MessageRequest: &v1.ServerReflectionRequest_FileContainingExtension{FileContainingExtension: &v1.ExtensionRequest{ContainingType: "a.B", ExtensionNumber: 1}}},
		{MessageRequest: &v1.ServerReflectionRequest_AllExtensionNumbersOfType{AllExtensionNumbersOfType: "a.B"}},
	} {
		wire, err := proto.Marshal(q)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(rpc.AppendFrame(rpc.AppendFrame(nil, wire), wire))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		x := sluicetest.Exchange(t, "POST "+reflection.Paths[0], string(body), "Content-Type: application/grpc")
		a := sluicetest.Do(h, x)
		if a.Err != nil {
			t.Fatalf("%x: %v", body, a.Err)
		}
		frames := rpc.NewReader(bytes.NewReader([]byte(a.Body)), "", 1<<20)
		for {
			wire, err := frames.Next()
			if err == io.EOF {
				break
			}
			answer := &v1.ServerReflectionResponse{}
			if err == nil {
				err = proto.Unmarshal(wire, answer)
			}
			if err != nil || answer.GetMessageResponse() == nil {
				t.Fatalf("%x is answered with %x: %v", body, a.Body, err)
			}
		}
		if x.Response.Trailer.Value("Grpc-Status") == nil && len(a.Body) > 0 {
			t.Fatalf("%x: no status", body)
		}
	})
}
