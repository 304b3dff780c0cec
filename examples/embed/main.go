// Command embed is a program that embeds Sluice: the sluice command with Go functions of its own.
//
//	go run ./examples/embed run examples/embed/sluice.yaml
//	go run ./examples/embed test examples/embed
package main

import (
	"context"
	"fmt"
	"net/http"
	"os"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/backend/function"
	"github.com/sluiceapi/sluice/command"
	"github.com/sluiceapi/sluice/standard"
)

func main() {
	kinds := standard.Kinds(
		function.New("quote", quote),
		function.Handler("ticker", http.HandlerFunc(ticker)),
	)
	os.Exit(command.Main(kinds, os.Args[1:]))
}

// QuoteIn is what a quote needs of a request.
type QuoteIn struct {
	Product  int64  `in:"path" name:"id" min:"1"`
	Currency string `in:"query" enum:"EUR,USD" default:"EUR"`
	Order    Order  `in:"body"`
}

// Order is the body of a request for a quote.
type Order struct {
	Quantity int    `json:"quantity" required:"true" min:"1" max:"100"`
	Coupon   string `json:"coupon" pattern:"[A-Z]{4}[0-9]{2}"`
}

// Quote is the answer.
type Quote struct {
	Product    int64  `json:"product"`
	TotalCents int64  `json:"total_cents"`
	Currency   string `json:"currency"`
}

// quote prices an order. What it returns as an error of Sluice is what the client sees; of any other the client
// learns nothing.
func quote(_ context.Context, in QuoteIn) (Quote, error) {
	if in.Product > 10_000 {
		return Quote{}, &sluice.Error{Code: sluice.NotFound, Message: fmt.Sprintf("there is no product %d", in.Product)}
	}
	cents := (199 + in.Product*7919%50_000) * int64(in.Order.Quantity)
	if in.Order.Coupon != "" {
		cents = cents * 9 / 10
	}
	return Quote{Product: in.Product, TotalCents: cents, Currency: in.Currency}, nil
}

// ticker is an http.Handler as any Go program has them.
func ticker(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	for i := range 3 {
		fmt.Fprintf(w, "data: tick %d of %s\n\n", i+1, r.PathValue("name"))
		w.(http.Flusher).Flush()
	}
}
