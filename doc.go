// Package sluice is the vocabulary of Sluice: an exchange, the handlers that answer it, the policies and
// backends that YAML can name, and the references by which a config speaks of what a request brings.
//
// A node serves endpoints. An endpoint is a route, the policies around it, and the backend that answers.
package sluice
