// Package standard lists the kinds of the stock binary.
package standard

import (
	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/backend/compose"
	"github.com/sluiceapi/sluice/backend/function"
	"github.com/sluiceapi/sluice/backend/grpc"
	"github.com/sluiceapi/sluice/backend/http"
	"github.com/sluiceapi/sluice/backend/publish"
	"github.com/sluiceapi/sluice/backend/sql"
	"github.com/sluiceapi/sluice/backend/static"
	"github.com/sluiceapi/sluice/policy/async"
	"github.com/sluiceapi/sluice/policy/bodylimit"
	"github.com/sluiceapi/sluice/policy/breaker"
	"github.com/sluiceapi/sluice/policy/cache"
	"github.com/sluiceapi/sluice/policy/clientcert"
	"github.com/sluiceapi/sluice/policy/compress"
	"github.com/sluiceapi/sluice/policy/cors"
	"github.com/sluiceapi/sluice/policy/headers"
	"github.com/sluiceapi/sluice/policy/invalidate"
	"github.com/sluiceapi/sluice/policy/ipfilter"
	"github.com/sluiceapi/sluice/policy/jwt"
	"github.com/sluiceapi/sluice/policy/ratelimit"
	"github.com/sluiceapi/sluice/policy/retry"
	"github.com/sluiceapi/sluice/policy/timeout"
)

// Kinds are the kinds of the stock binary: policies, then backends, in the order of the reference. functions are those
// of a program that embeds Sluice, for the backend `function`.
func Kinds(functions ...function.Function) []sluice.Kind {
	return []sluice.Kind{
		async.Kind,
		bodylimit.Kind,
		breaker.Kind,
		cache.Kind,
		clientcert.Kind,
		compress.Kind,
		cors.Kind,
		headers.Kind,
		invalidate.Kind,
		ipfilter.Kind,
		jwt.Kind,
		ratelimit.Kind,
		retry.Kind,
		timeout.Kind,

		compose.Kind,
		function.Kind(functions...),
		grpc.Kind,
		http.Kind,
		publish.Kind,
		sql.Kind,
		static.Kind,
	}
}
