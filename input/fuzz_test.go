package input_test

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzJSON compares the reader with encoding/json: what that refuses is refused, and what is refused beyond that is
// refused for one of the reasons that are known.
func FuzzJSON(f *testing.F) {
	for _, body := range []string{`{"a": [1, -2.5e+3, "\u00e9\ud83d\ude00", true, false, null]}`, `{"a": 1, "\u0061": 2}`,
		` [1e400] `, `"\ud800"`, "\"\xff\"", `[[[]]]`, `01`, `{"a":}`, many(12, `"n3": {}`)} {
		f.Add([]byte(body))
	}
	stricter := []string{"not UTF-8", "half of a surrogate pair", "a name that is in the object already", "nested too deep", "a number longer", "a number beyond"}
	h := handler(f, true, "")
	f.Fuzz(func(t *testing.T, body []byte) {
		got := served(t, h, jsonExchange(string(body)))
		if got == "fits" {
			if !json.Valid(body) || !utf8.Valid(body) {
				t.Fatalf("%q is taken", body)
			}
			if again := membersAgain(t, body); again != "" {
				t.Fatalf("%q holds %q twice", body, again)
			}
			return
		}
		for _, reason := range stricter {
			if strings.Contains(got, reason) {
				return
			}
		}
		if json.Valid(body) {
			t.Fatalf("%q is refused: %s", body, got)
		}
	})
}

// membersAgain is a name that comes twice in one object of a valid text, found with the tokens of encoding/json.
func membersAgain(t *testing.T, body []byte) string {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(string(body)))
	d.UseNumber()
	var open []map[string]bool // nil for an array
	name := true
	for {
		token, err := d.Token()
		if err != nil {
			return ""
		}
		in := len(open) > 0 && open[len(open)-1] != nil
		switch {
		case token == json.Delim('}') || token == json.Delim(']'):
			open = open[:len(open)-1]
			name = true
			continue
		case in && name:
			text := token.(string)
			if open[len(open)-1][text] {
				return text
			}
			open[len(open)-1][text] = true
			name = false
			continue
		case token == json.Delim('{'):
			open = append(open, map[string]bool{})
		case token == json.Delim('['):
			open = append(open, nil)
		}
		name = true
	}
}
