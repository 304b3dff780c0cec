package input_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestBodyFitsSchema(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ schema, body, want string }{
		"fits":          {`{"type": "object"}`, `{"a": 1}`, "fits"},
		"type":          {`{"type": "object"}`, `[]`, "body: want object, got array"},
		"types":         {`{"properties": {"a": {"type": ["string", "null"]}}}`, `{"a": 1}`, "body.a: want null or string, got number"},
		"integer":       {`{"type": "integer"}`, `1.5`, "body: want integer, got number"},
		"whole float":   {`{"type": "integer"}`, `1.0`, "fits"},
		"required":      {`{"required": ["a", "b"]}`, `{"a": 1}`, "body.b: missing"},
		"dependent":     {`{"dependentRequired": {"a": ["b"]}}`, `{"a": 1}`, "body.b: missing; want it together with a"},
		"items":         {`{"properties": {"items": {"items": {"properties": {"sku": {"minLength": 3}}}}}}`, `{"items": [{"sku": "abc"}, {"sku": "é"}]}`, "body.items.1.sku: want at least 3 characters, got 1"},
		"maxLength":     {`{"maxLength": 1}`, `"ab"`, "body: want at most 1 character, got 2"},
		"pattern":       {`{"pattern": "^a$"}`, `"b"`, "body: want a match of ^a$"},
		"enum":          {`{"enum": ["a", 1, null]}`, `"b"`, `body: want one of "a", 1, null`},
		"const":         {`{"const": {"a": 1}}`, `"b"`, `body: want {"a":1}`},
		"bounds":        {`{"items": {"minimum": 1, "exclusiveMaximum": 2.5, "multipleOf": 0.5}}`, `[1.5, 0.5, 2.5, 1.2]`, "body.1: want at least 1\nbody.2: want less than 2.5\nbody.3: want a multiple of 0.5"},
		"more bounds":   {`{"items": {"maximum": 10, "exclusiveMinimum": 2}}`, `[2, 11]`, "body.0: want more than 2\nbody.1: want at most 10"},
		"minItems":      {`{"minItems": 1}`, `[]`, "body: want at least 1 item, got 0"},
		"maxItems":      {`{"maxItems": 1}`, `[1, 2]`, "body: want at most 1 item, got 2"},
		"uniqueItems":   {`{"uniqueItems": true}`, `[1, 2, 1.0]`, "body: want each item once; items 0 and 2 are equal"},
		"contains":      {`{"contains": {"type": "string"}}`, `[1]`, "body: too few of the items are of the form that is wanted"},
		"minContains":   {`{"contains": {"type": "string"}, "minContains": 2}`, `["a"]`, "body: too few of the items are of the form that is wanted"},
		"maxContains":   {`{"contains": {"type": "string"}, "maxContains": 1}`, `["a", "b"]`, "body: want at most 1 item of the form that is counted, got 2"},
		"minProperties": {`{"minProperties": 1}`, `{}`, "body: want at least 1 member, got 0"},
		"maxProperties": {`{"maxProperties": 1}`, `{"a": 1, "b": 2}`, "body: want at most 1 member, got 2"},
		"additional":    {`{"properties": {"a": true}, "additionalProperties": false}`, `{"c": 1, "a": 1, "b": 1}`, "body.b: not a member that is taken\nbody.c: not a member that is taken"},
		"unevaluated":   {`{"properties": {"a": true}, "unevaluatedProperties": false}`, `{"b": 1}`, "body.b: not taken here"},
		"propertyNames": {`{"propertyNames": {"maxLength": 1}}`, `{"ab": 1}`, "body.ab: not a name that is taken"},
		"not":           {`{"not": {"type": "string"}}`, `"a"`, "body: of a form that is not taken"},
		"false":         {`false`, `1`, "body: not taken here"},
		"allOf":         {`{"allOf": [{"minimum": 2}, {"multipleOf": 2}]}`, `1`, "body: want a multiple of 2\nbody: want at least 2"},
		"anyOf":         {`{"anyOf": [{"type": "string"}, {"required": ["a"]}]}`, `{}`, "body: fits none of the forms that are taken: body: want string, got object, or body.a: missing"},
		"oneOf none":    {`{"properties": {"x": {"oneOf": [{"type": "string"}, {"type": "null"}]}}}`, `{"x": 1}`, "body.x: fits none of the forms that are taken: body.x: want string, got number, or body.x: want null, got number"},
		"oneOf two":     {`{"oneOf": [{"type": "number"}, {"minimum": 1}]}`, `1`, "body: fits more than one of the forms that are taken; want exactly one"},
		"ref":           {`{"$ref": "#/$defs/a", "$defs": {"a": {"type": "string"}}}`, `1`, "body: want string, got number"},
		"recursive":     {`{"properties": {"next": {"$ref": "#"}, "n": {"type": "number"}}}`, `{"next": {"next": {"n": ""}}}`, "body.next.next.n: want number, got string"},
		"own id":        {`{"$id": "https://example.org/s", "$ref": "#a", "$defs": {"a": {"$anchor": "a", "type": "null"}}}`, `1`, "body: want null, got number"},
		"date-time":     {`{"format": "date-time"}`, `"2026-01-01"`, "body: want the format date-time"},
		"uuid":          {`{"format": "uuid"}`, `"x"`, "body: want the format uuid"},
		"email":         {`{"format": "email"}`, `"x"`, "body: want the format email"},
		"older draft":   {`{"$schema": "http://json-schema.org/draft-07/schema#", "definitions": {"a": {"type": "null"}}, "items": [{"$ref": "#/definitions/a"}], "additionalItems": false}`, `[null, 2]`, "body: 1 item too many"},
		"long name":     {`{"additionalProperties": false}`, `{"` + strings.Repeat("é", 100) + `": 1}`, "body." + strings.Repeat("é", 32) + "…: not a member that is taken"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := strings.TrimPrefix(served(t, handler(t, true, tt.schema), jsonExchange(tt.body)), "bad_request\n")
			if got != tt.want {
				t.Errorf("got %s\nwant %s", got, tt.want)
			}
		})
	}
}

func TestFaultsAreBounded(t *testing.T) {
	t.Parallel()
	body := "[" + strings.Repeat("1, ", 149) + "1]"
	lines := strings.Split(served(t, handler(t, true, `{"items": {"type": "string"}}`), jsonExchange(body)), "\n")
	if len(lines) != 102 || lines[101] != "body: 50 more faults" {
		t.Errorf("%d lines, the last is %s", len(lines), lines[len(lines)-1])
	}
}

func TestBadSchemas(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ schema, want string }{
		{`{"type": "strin"}`, "body: type: "},
		{`{"properties": {"a": {"minLength": -1}}}`, "body: properties.a.minLength: want at least 0"},
		{`{"pattern": "("}`, "body: pattern: want the format regex"},
		{`{"$ref": "https://example.org/other.json"}`, "body: https://example.org/other.json is another document, and none is loaded"},
		{`{"$ref": "file:///etc/passwd"}`, "body: file:///etc/passwd is another document"},
		{`{"$ref": "other.json"}`, "other.json is another document"},
		{`{"$schema": "https://example.org/own"}`, "body: https://example.org/own is another document"},
		{`{"$ref": "#/$defs/a"}`, "body: "},
		{`{"$ref": "#a"}`, "body: "},
		{`"text"`, "body: "},
		{`{"type": "null", "type": "string"}`, "body: not JSON at byte 18: a name that is in the object already"},
	} {
		_, err := compile(tt.schema)
		if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "schema.invalid/body") {
			t.Errorf("%s: got %v, want %s", tt.schema, err, tt.want)
		}
	}
}

func TestFileIsNotLoaded(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "other.json")
	if err := os.WriteFile(file, []byte(`{"type": "null"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := compile(`{"$ref": "file://` + filepath.ToSlash(file) + `"}`); err == nil || !strings.Contains(err.Error(), "another document") {
		t.Errorf("got %v", err)
	}
}

// Numbers that are cheap to write and dear to count with do not reach the validator.
func TestNumbersAreNoBurden(t *testing.T) {
	t.Parallel()
	h := handler(t, true, `{"items": {"multipleOf": 0.1}}`)
	for _, number := range []string{"1e999999", "1e-999999", "0e-999999", strings.Repeat("9", 100_000)} {
		if got := served(t, h, jsonExchange(fmt.Sprintf("[%s]", number))); !strings.HasPrefix(got, "bad_request\nbody: not JSON at byte 2: a number") {
			t.Errorf("%.20s: %s", number, got)
		}
	}
}
