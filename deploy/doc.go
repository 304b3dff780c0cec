// Package deploy is what Sluice is run with elsewhere: the image, the manifests, the compose file, dashboard and alerts.
// Its tests serve the configs in it. Those in test/manifests, a module of its own, hold the manifests and their probes to what
// Kubernetes takes, and the compose file to what compose does.
package deploy
