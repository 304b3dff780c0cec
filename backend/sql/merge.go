package sql

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"strings"

	"github.com/sluiceapi/sluice"
)

// checkMerge wants each column merged, and no other.
func (h *scatter) checkMerge() error {
	var errs []error
	for _, e := range h.use.Merge {
		if !contains(h.columns, e.Name) {
			errs = append(errs, sluice.At("scatter.merge."+e.Name, fmt.Errorf("the query gives no such column; want one of %s", strings.Join(h.columns, ", "))))
		}
	}
	for _, name := range h.columns {
		if _, found := h.use.Merge.Value(name); !found {
			errs = append(errs, sluice.At("scatter.merge", fmt.Errorf("it is not told what becomes of the column %s; want sum, count, min or max for it", name)))
		}
	}
	return errors.Join(errs...)
}

func contains(names []string, name string) bool {
	for _, n := range names {
		if n == name {
			return true
		}
	}
	return false
}

// gatherMerged makes one row of the one row that each shard gives.
func gatherMerged(h *scatter, x *sluice.Exchange, parts []*part) error {
	merged := make([]json.RawMessage, len(h.columns))
	for _, p := range parts {
		if p == nil {
			continue
		}
		if p.length() != 1 {
			return &sluice.Error{Code: sluice.Internal, Err: fmt.Errorf("shard %s gave %d rows to merge; want one, as count(*) gives it", h.shards[p.at].name, p.length())}
		}
		var row map[string]json.RawMessage
		if err := json.Unmarshal(p.row(0), &row); err != nil {
			return err
		}
		for i, name := range h.columns {
			how, _ := h.use.Merge.Value(name)
			value, err := how.merge(merged[i], row[name])
			if err != nil {
				return &sluice.Error{Code: sluice.Internal, Err: fmt.Errorf("merging the column %s: %w", name, err)}
			}
			merged[i] = value
		}
	}
	body := append(x.Response.Body.Buffer(), '{')
	for i, name := range h.columns {
		if i > 0 {
			body = append(body, ',')
		}
		body = append(sluice.AppendJSONString(body, []byte(name)), ':')
		body = append(body, merged[i]...)
	}
	setJSON(x, append(body, '}'))
	return nil
}

// merge is what becomes of two values, of which the first may not be there yet. As in SQL, a null counts for nothing.
func (m Merge) merge(a, b json.RawMessage) (json.RawMessage, error) {
	null := []byte("null")
	switch {
	case a == nil || bytes.Equal(a, null):
		return b, nil
	case bytes.Equal(b, null):
		return a, nil
	}
	switch m {
	case "sum", "count":
		return add(a, b)
	}
	order, err := compareJSON(a, b)
	if err != nil {
		return nil, err
	}
	if (order <= 0) == (m == "min") {
		return a, nil
	}
	return b, nil
}

// number reads a number exactly: digits without the point, and how many stand behind it. One in quotes, as integers of 64
// bits may be written, stays in quotes.
type number struct {
	digits *big.Int
	scale  int
	quoted bool
}

func readNumber(raw json.RawMessage) (number, error) {
	text := string(raw)
	n := number{quoted: len(text) > 1 && text[0] == '"'}
	if n.quoted {
		text = text[1 : len(text)-1]
	}
	mantissa, exponent, _ := strings.Cut(strings.ToLower(text), "e")
	whole, fraction, _ := strings.Cut(mantissa, ".")
	n.scale = len(fraction)
	var ok bool
	if n.digits, ok = new(big.Int).SetString(whole+fraction, 10); !ok {
		return n, fmt.Errorf("%s is no number", raw)
	}
	if exponent != "" {
		var shift int
		if _, err := fmt.Sscanf(exponent, "%d", &shift); err != nil || shift > 400 || shift < -400 {
			return n, fmt.Errorf("%s is no number that can be added up", raw)
		}
		n.scale -= shift
		if n.scale < 0 {
			n = n.to(0)
		}
	}
	return n, nil
}

// to is the number with so many digits behind the point, which must not be fewer.
func (n number) to(scale int) number {
	if more := scale - n.scale; more > 0 {
		n.digits = new(big.Int).Mul(n.digits, new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(more)), nil))
		n.scale = scale
	}
	return n
}

func (n number) json() json.RawMessage {
	text := n.digits.String()
	sign := ""
	if text[0] == '-' {
		sign, text = "-", text[1:]
	}
	if n.scale > 0 {
		if missing := n.scale + 1 - len(text); missing > 0 {
			text = strings.Repeat("0", missing) + text
		}
		point := len(text) - n.scale
		text = text[:point] + "." + text[point:]
	}
	if n.quoted {
		return json.RawMessage(`"` + sign + text + `"`)
	}
	return json.RawMessage(sign + text)
}

func add(a, b json.RawMessage) (json.RawMessage, error) {
	x, err := readNumber(a)
	if err != nil {
		return nil, err
	}
	y, err := readNumber(b)
	if err != nil {
		return nil, err
	}
	scale := max(x.scale, y.scale)
	x, y = x.to(scale), y.to(scale)
	x.digits = new(big.Int).Add(x.digits, y.digits)
	x.quoted = x.quoted || y.quoted
	return x.json(), nil
}

// compareJSON compares two numbers, or two texts by their bytes.
func compareJSON(a, b json.RawMessage) (int, error) {
	x, err := readNumber(a)
	if err == nil {
		if y, err := readNumber(b); err == nil {
			scale := max(x.scale, y.scale)
			return x.to(scale).digits.Cmp(y.to(scale).digits), nil
		}
	}
	var s, t string
	if json.Unmarshal(a, &s) != nil || json.Unmarshal(b, &t) != nil {
		return 0, fmt.Errorf("%s and %s have no order", a, b)
	}
	return strings.Compare(s, t), nil
}
