package manifests

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"sigs.k8s.io/yaml"
)

// source is a module that is read for its schemas and never compiled, pinned by the hash of what is in it.
type source struct{ module, sum string }

var (
	kubernetes = source{"k8s.io/kubernetes@v1.37.2", "h1:A2VDEiObzkYqFTKhSsn0ZEb0RlLEXpHWj93gi2HqEwE="}
	operator   = source{"github.com/prometheus-operator/prometheus-operator@v0.85.0", "h1:M5xLCLEoaW2IJfnuCwFzzpL+jSVQu3KGT84Pye+fW8s="}
)

// folder is where the module's files are; they are fetched when they are not there.
func (s source) folder() (string, error) {
	download := exec.Command("go", "mod", "download", "-json", s.module)
	download.Stderr = os.Stderr
	out, err := download.Output()
	var got struct{ Dir, Sum, Error string }
	if parsed := json.Unmarshal(out, &got); parsed != nil {
		return "", fmt.Errorf("fetch %s: %w", s.module, errors.Join(err, parsed))
	}
	switch {
	case err != nil || got.Error != "":
		return "", fmt.Errorf("fetch %s: %s", s.module, got.Error)
	case got.Sum != s.sum:
		return "", fmt.Errorf("fetch %s: its hash is %s; want %s", s.module, got.Sum, s.sum)
	}
	return got.Dir, nil
}

// object is a JSON object.
type object = map[string]any

// writeSchemas puts a JSON Schema for every kind that Kubernetes and the operator know into dir, as kubeconform looks for
// them: GROUP-VERSION-kind.json. They are strict: a field that is not known is a mistake.
func writeSchemas(dir string) error {
	of, err := kubernetes.folder()
	if err != nil {
		return err
	}
	files, err := filepath.Glob(filepath.Join(of, "api/openapi-spec/v3/api*__v*_openapi.json"))
	if err != nil || len(files) == 0 {
		return fmt.Errorf("no schemas in %s: %v", kubernetes.module, err)
	}
	for _, file := range files {
		if err := writeOpenAPI(dir, file); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
	}
	if of, err = operator.folder(); err != nil {
		return err
	}
	files, err = filepath.Glob(filepath.Join(of, "example/prometheus-operator-crd/*.yaml"))
	if err != nil || len(files) == 0 {
		return fmt.Errorf("no schemas in %s: %v", operator.module, err)
	}
	for _, file := range files {
		if err := writeDefinition(dir, file); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
	}
	return nil
}

// writeOpenAPI writes the kinds of one group and version.
func writeOpenAPI(dir, file string) error {
	content, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var doc struct {
		Components struct{ Schemas map[string]object }
	}
	if err := json.Unmarshal(content, &doc); err != nil {
		return err
	}
	for _, schema := range doc.Components.Schemas {
		strict(schema)
	}
	for name, schema := range doc.Components.Schemas {
		names, _ := schema["x-kubernetes-group-version-kind"].([]any)
		if len(names) != 1 {
			continue // of several groups are only the options of calls
		}
		id := names[0].(object)
		err := write(dir, id["group"].(string), id["version"].(string), id["kind"].(string),
			object{"$ref": "#/components/schemas/" + name, "components": object{"schemas": doc.Components.Schemas}})
		if err != nil {
			return err
		}
	}
	return nil
}

// writeDefinition writes the kind of a CustomResourceDefinition.
func writeDefinition(dir, file string) error {
	content, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var crd struct {
		Spec struct {
			Group    string
			Names    struct{ Kind string }
			Versions []struct {
				Name   string
				Schema struct{ OpenAPIV3Schema object }
			}
		}
	}
	if err := yaml.Unmarshal(content, &crd); err != nil {
		return err
	}
	for _, v := range crd.Spec.Versions {
		schema := v.Schema.OpenAPIV3Schema
		strict(schema)
		if err := write(dir, crd.Spec.Group, v.Name, crd.Spec.Names.Kind, schema); err != nil {
			return err
		}
	}
	return nil
}

func write(dir, group, version, kind string, schema object) error {
	content, err := json.Marshal(schema)
	if err != nil {
		return err
	}
	if group == "" {
		group = version // as kubeconform calls the one without a name
	}
	return os.WriteFile(filepath.Join(dir, group+"-"+version+"-"+strings.ToLower(kind)+".json"), content, 0o600)
}

// strict makes unknown fields mistakes, here and below.
func strict(node any) {
	switch node := node.(type) {
	case []any:
		for _, item := range node {
			strict(item)
		}
	case object:
		_, fields := node["properties"].(object)
		_, more := node["additionalProperties"]
		if open, _ := node["x-kubernetes-preserve-unknown-fields"].(bool); fields && !more && !open && node["type"] == "object" {
			node["additionalProperties"] = false
		}
		if either, _ := node["x-kubernetes-int-or-string"].(bool); either {
			delete(node, "type")
		}
		for _, below := range node {
			strict(below)
		}
	}
}
