//go:build tools

// Package helm pins the Helm command that the lab builds.
package helm

import _ "helm.sh/helm/v3/cmd/helm"
