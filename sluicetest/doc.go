// Package sluicetest tests what is built from Sluice's parts: it makes nodes and exchanges without a socket, and holds
// the conformance suites that every policy, backend and engine must pass.
package sluicetest
