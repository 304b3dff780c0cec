// Package rpc is what gRPC needs on both of its sides: descriptors, messages as JSON, frames and statuses.
package rpc
