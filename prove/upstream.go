package main

import (
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"
)

// upstream is a plain service behind the node, within this process.
type upstream struct {
	server  *http.Server
	address string
	done    chan struct{}
}

// What the upstream serves: a greeting, and a download that takes seconds.
const (
	greeting       = `{"from":"upstream"}`
	downloadPieces = 60
	downloadPause  = 25 * time.Millisecond
)

// piece is a part of the download, of a length that fits nothing else.
func piece() []byte {
	p := make([]byte, 32_749)
	for i := range p {
		p[i] = byte(i * 31 >> 3)
	}
	return p
}

// download is the whole of it.
func download() []byte {
	var all []byte
	for range downloadPieces {
		all = append(all, piece()...)
	}
	return all
}

func startUpstream() (*upstream, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /greeting", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, greeting) })
	mux.HandleFunc("POST /echo", echo)
	mux.HandleFunc("GET /download", trickle)
	// It never closes a connection that the node keeps: this is not about upstreams that do.
	u := &upstream{server: &http.Server{Handler: mux, IdleTimeout: time.Hour}, address: listener.Addr().String(), done: make(chan struct{})}
	go func() {
		defer close(u.done)
		if err := u.server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			progress("the upstream ended: " + err.Error())
		}
	}()
	return u, nil
}

func (u *upstream) close() {
	u.server.Close()
	<-u.done
}

func echo(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	w.Write(body)
}

// trickle sends the download piece by piece, with its length told beforehand if the query says so.
func trickle(w http.ResponseWriter, r *http.Request) {
	p := piece()
	if r.URL.Query().Get("framing") == "length" {
		w.Header().Set("Content-Length", strconv.Itoa(downloadPieces*len(p)))
	}
	control := http.NewResponseController(w)
	for range downloadPieces {
		if _, err := w.Write(p); err != nil {
			return
		}
		if err := control.Flush(); err != nil || !rest(r.Context(), downloadPause) {
			return
		}
	}
}
