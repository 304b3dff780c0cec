// Package deploy is what Sluice is run with elsewhere: the image, the manifests, the compose file, dashboard and alerts.
// Its tests serve the configs in it.
package deploy
