// Command grafana writes the dashboard of Sluice for Grafana, and the alerts as the Prometheus operator takes them.
package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

func main() {
	deploy := flag.String("deploy", "deploy", "the folder that grafana/ and prometheus/ are in")
	flag.Parse()
	made, err := files(*deploy)
	for path, content := range made {
		if err == nil {
			err = os.WriteFile(path, content, 0o644)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "grafana:", err)
		os.Exit(1)
	}
}

// files are what is made, by path.
func files(deploy string) (map[string][]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(board()); err != nil {
		return nil, err
	}
	alerts, err := os.ReadFile(filepath.Join(deploy, "prometheus", "alerts.yaml"))
	if err != nil {
		return nil, err
	}
	rule, err := asResource(string(alerts))
	if err != nil {
		return nil, err
	}
	return map[string][]byte{
		filepath.Join(deploy, "grafana", "dashboard.json"):               b.Bytes(),
		filepath.Join(deploy, "kubernetes", "monitoring", "alerts.yaml"): rule,
	}, nil
}

// asResource is a file of rules as a PrometheusRule: the groups stand under spec.
func asResource(alerts string) ([]byte, error) {
	_, groups, found := strings.Cut(alerts, "\ngroups:\n")
	if !found {
		return nil, fmt.Errorf("the alerts have no groups")
	}
	var b strings.Builder
	b.WriteString(`# Made from prometheus/alerts.yaml by make dashboard.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: sluice
spec:
  groups:
`)
	for line := range strings.Lines(groups) {
		b.WriteString("  " + line)
	}
	return []byte(b.String()), nil
}
