// Package servers starts real servers for tests and for programs that measure or prove something: PostgreSQL with
// replicas, Redis, nginx, and the certificates that they need. Every server listens on a free port of 127.0.0.1, keeps
// its files in a folder of its own below the system's temporary folder, and is gone with its owner: when the test ends,
// also by a failure or a panic, and when the process is killed.
//
// What is needed is a program of the system's packages; Need says which one lacks. Linux only.
package servers
