// Package input checks what a request brings against what its endpoint declares.
package input
