// The program caddy runs Caddy's own server with only the modules a reverse
// proxy needs, so that bench can build it from source. It takes the path of a
// JSON config.
package main

import (
	"log"
	"os"
	"os/signal"
	"syscall"

	"github.com/caddyserver/caddy/v2"
	_ "github.com/caddyserver/caddy/v2/modules/caddyhttp"
	_ "github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"
	_ "github.com/caddyserver/caddy/v2/modules/logging"
)

func main() {
	if len(os.Args) != 2 {
		log.Fatal("usage: caddy CONFIG.json")
	}
	text, err := os.ReadFile(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	if err := caddy.Load(text, true); err != nil {
		log.Fatal(err)
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGINT, syscall.SIGTERM)
	<-stop
	if err := caddy.Stop(); err != nil {
		log.Fatal(err)
	}
}
