// The program fasthttp is what someone who knows the library would write with it: `fasthttp proxy LISTEN UPSTREAM` passes
// every request on, `fasthttp kept LISTEN PATH BODY` answers one path from a map. It is a module of its own, so that
// bench can build it from source.
package main

import (
	"log"
	"os"
	"time"

	"github.com/valyala/fasthttp"
)

func main() {
	// No field is added that the answer does not need.
	server := &fasthttp.Server{
		NoDefaultServerHeader:         true,
		NoDefaultContentType:          true,
		DisableHeaderNamesNormalizing: true,
		LazyRequestTime:               true,
	}
	switch {
	case len(os.Args) == 4 && os.Args[1] == "proxy":
		server.NoDefaultDate = true // the upstream's is passed on
		server.Handler = pass(os.Args[3])
	case len(os.Args) == 5 && os.Args[1] == "kept":
		server.Handler = kept(map[string][]byte{os.Args[3]: []byte(os.Args[4])})
	default:
		log.Fatal("usage: fasthttp proxy LISTEN UPSTREAM, or fasthttp kept LISTEN PATH BODY")
	}
	if err := server.ListenAndServe(os.Args[2]); err != nil {
		log.Fatal(err)
	}
}

// pass hands every request on as it is, and the answer back, in the library's own buffers.
func pass(upstream string) fasthttp.RequestHandler {
	client := &fasthttp.HostClient{
		Addr:                          upstream,
		MaxConns:                      8192,
		MaxIdleConnDuration:           time.Hour,
		NoDefaultUserAgentHeader:      true,
		DisableHeaderNamesNormalizing: true,
		DisablePathNormalizing:        true,
	}
	return func(ctx *fasthttp.RequestCtx) {
		request, response := &ctx.Request, &ctx.Response
		request.UseHostHeader = true
		request.Header.Del("Connection")
		var client4 [15]byte
		request.Header.SetBytesV("X-Forwarded-For", fasthttp.AppendIPv4(client4[:0], ctx.RemoteIP()))
		if err := client.Do(request, response); err != nil {
			response.Reset()
			response.SetStatusCode(fasthttp.StatusBadGateway)
			return
		}
		response.Header.Del("Connection")
	}
}

// kept answers from memory.
func kept(bodies map[string][]byte) fasthttp.RequestHandler {
	return func(ctx *fasthttp.RequestCtx) {
		body, found := bodies[string(ctx.Path())]
		if !found {
			ctx.SetStatusCode(fasthttp.StatusNotFound)
			return
		}
		ctx.Response.Header.SetContentType("application/json")
		ctx.Response.SetBodyRaw(body)
	}
}
