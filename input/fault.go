package input

import (
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"

	"github.com/sluiceapi/sluice"
)

// appendFaults appends what a validator's tree of errors says, for people: one fault for each value at fault. What
// was given is never repeated, only what is wanted.
func appendFaults(all []sluice.InputError, e *jsonschema.ValidationError) []sluice.InputError {
	at := func(message string, below ...string) {
		place := slices.Concat(e.InstanceLocation, below)
		all = append(all, sluice.InputError{Name: faultName(place), Message: message})
	}
	switch k := e.ErrorKind.(type) {
	case *kind.Required:
		for _, name := range k.Missing {
			at("missing", name)
		}
	case *kind.DependentRequired:
		for _, name := range k.Missing {
			at("missing; want it together with "+k.Prop, name)
		}
	case *kind.Dependency:
		for _, name := range k.Missing {
			at("missing; want it together with "+k.Prop, name)
		}
	case *kind.AdditionalProperties:
		for _, name := range k.Properties {
			at("not a member that is taken", name)
		}
	case *kind.PropertyNames:
		at("not a name that is taken", k.Property)
	case *kind.AnyOf:
		at("fits none of the forms that are taken: " + forms(e.Causes))
	case *kind.OneOf:
		if len(k.Subschemas) > 0 {
			at("fits more than one of the forms that are taken; want exactly one")
		} else {
			at("fits none of the forms that are taken: " + forms(e.Causes))
		}
	case *kind.Contains, *kind.MinContains:
		at("too few of the items are of the form that is wanted")
	default:
		if message := wanted(e.ErrorKind); message != "" {
			at(message)
		} else if len(e.Causes) == 0 {
			at("does not fit " + strings.Join(e.ErrorKind.KeywordPath(), "."))
		} else {
			for _, cause := range e.Causes {
				all = appendFaults(all, cause)
			}
		}
	}
	return all
}

// forms says of each form of a choice what first keeps the value from fitting it.
func forms(causes []*jsonschema.ValidationError) string {
	var each []string
	for _, cause := range causes {
		if found := faultsOf(cause); len(found) > 0 {
			each = append(each, found[0].Name+": "+found[0].Message)
		}
	}
	return strings.Join(each, ", or ")
}

// wanted is the message for a kind of error that is about one value, "" for one that only holds others.
func wanted(k jsonschema.ErrorKind) string {
	switch k := k.(type) {
	case *kind.Type:
		return "want " + strings.Join(k.Want, " or ") + ", got " + k.Got
	case *kind.Enum:
		return "want one of " + list(k.Want)
	case *kind.Const:
		return "want " + list([]any{k.Want})
	case *kind.Format:
		return "want the format " + k.Want
	case *kind.Pattern:
		return "want a match of " + k.Want
	case *kind.MinLength:
		return "want at least " + count(k.Want, "character") + ", got " + strconv.Itoa(k.Got)
	case *kind.MaxLength:
		return "want at most " + count(k.Want, "character") + ", got " + strconv.Itoa(k.Got)
	case *kind.MinItems:
		return "want at least " + count(k.Want, "item") + ", got " + strconv.Itoa(k.Got)
	case *kind.MaxItems:
		return "want at most " + count(k.Want, "item") + ", got " + strconv.Itoa(k.Got)
	case *kind.MinProperties:
		return "want at least " + count(k.Want, "member") + ", got " + strconv.Itoa(k.Got)
	case *kind.MaxProperties:
		return "want at most " + count(k.Want, "member") + ", got " + strconv.Itoa(k.Got)
	case *kind.UniqueItems:
		return fmt.Sprintf("want each item once; items %d and %d are equal", k.Duplicates[0], k.Duplicates[1])
	case *kind.AdditionalItems:
		return count(k.Count, "item") + " too many"
	case *kind.MaxContains:
		return "want at most " + count(k.Want, "item") + " of the form that is counted, got " + strconv.Itoa(len(k.Got))
	case *kind.FalseSchema:
		return "not taken here"
	case *kind.Not:
		return "of a form that is not taken"
	case *kind.RefCycle:
		return "its schema refers to itself without end"
	}
	return wantedNumber(k)
}

func wantedNumber(k jsonschema.ErrorKind) string {
	switch k := k.(type) {
	case *kind.Minimum:
		return "want at least " + number(k.Want)
	case *kind.Maximum:
		return "want at most " + number(k.Want)
	case *kind.ExclusiveMinimum:
		return "want more than " + number(k.Want)
	case *kind.ExclusiveMaximum:
		return "want less than " + number(k.Want)
	case *kind.MultipleOf:
		return "want a multiple of " + number(k.Want)
	}
	return ""
}

func count(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return strconv.Itoa(n) + " " + noun
}

func number(r *big.Rat) string {
	if r.IsInt() {
		return r.Num().String()
	}
	f, _ := r.Float64()
	return bound(f)
}

func list(values []any) string {
	each := make([]string, len(values))
	for i, v := range values {
		text, err := json.Marshal(v)
		if err != nil {
			text = []byte("a value of the schema")
		}
		each[i] = string(text)
	}
	return strings.Join(each, ", ")
}

// maxToken bounds the names that come from the client and go back to it.
const maxToken = 64

// faultName is a place in the body as a reference writes it: body.items.0.sku.
func faultName(place []string) string {
	name := "body"
	for _, token := range place {
		if len(token) > maxToken {
			token = strings.ToValidUTF8(token[:maxToken], "") + "…"
		}
		name += "." + token
	}
	return name
}
