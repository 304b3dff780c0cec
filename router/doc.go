// Package router picks the endpoint for a method, host and path; a Router is itself a Handler.
package router
