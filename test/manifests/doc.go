// Package manifests holds what is in deploy to what it is for: manifests to the schemas of Kubernetes and of the
// Prometheus operator, the compose file to that of Compose, and configs to the servers that read them.
package manifests
