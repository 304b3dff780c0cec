package sql

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"

	"github.com/sluiceapi/sluice"
)

// checkMerge wants each column merged, and no other, by what its values can bear.
func (h *scatter) checkMerge() error {
	var errs []error
	for _, e := range h.use.Merge {
		if !slices.Contains(h.columns, e.Name) {
			errs = append(errs, sluice.At("scatter.merge."+e.Name, fmt.Errorf("the query gives no such column; want one of %s", strings.Join(h.columns, ", "))))
		}
	}
	h.merges = make([]Merge, len(h.columns))
	for i, name := range h.columns {
		how, found := h.use.Merge.Value(name)
		if h.merges[i] = how; !found {
			errs = append(errs, sluice.At("scatter.merge", fmt.Errorf("it is not told what becomes of the column %s; want sum, count, min or max for it", name)))
			continue
		}
		errs = append(errs, sluice.At("scatter.merge."+name, h.checkOrder(i)))
	}
	return errors.Join(errs...)
}

// checkOrder refuses the least and greatest of values whose order is not known here.
func (h *scatter) checkOrder(column int) error {
	switch {
	case !h.merges[column].orders():
		return nil
	case h.statement.keys[column] != merges:
		return errors.New("the order of its values is known to its database alone; want a column of another type")
	case !h.statement.texts[column] || h.dialect.byBytes == "" || h.says("COLLATE"):
		return nil
	}
	for _, s := range h.shards {
		if !s.isReached() {
			continue
		}
		found, err := s.query(context.Background(), h.dialect.byBytes)
		if err != nil || len(found) > 0 {
			return err
		}
		return errors.New(`the database orders texts as people do, and the shards' are merged by their bytes; want COLLATE "C" behind the column`)
	}
	return nil
}

// says tells whether a word stands in the statement.
func (h *scatter) says(word string) (found bool) {
	s, _ := h.query.of(h.dialect)
	s.words(func(w string, _, _ int) bool {
		found = found || strings.EqualFold(w, word)
		return !found
	})
	return found
}

// gatherMerged makes one row of the one row that each shard gives.
func gatherMerged(h *scatter, x *sluice.Exchange, parts []*part) error {
	merged := make([]partValue, len(h.columns))
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
			err := h.merge(&merged[i], partValue{json: row[name], key: p.key(i), null: p.nulls[i]}, h.merges[i])
			if err != nil {
				return &sluice.Error{Code: sluice.Internal, Err: fmt.Errorf("merging the column %s: %w", name, err)}
			}
		}
	}
	body := append(x.Response.Body.Buffer(), '{')
	for i, name := range h.columns {
		if i > 0 {
			body = append(body, ',')
		}
		body = append(sluice.AppendJSONString(body, []byte(name)), ':')
		body = append(body, merged[i].json...)
	}
	setJSON(x, append(body, '}'))
	return nil
}

// partValue is a value of one shard: as JSON, and as a key, which has an order.
type partValue struct {
	json json.RawMessage
	key  []byte
	null bool
}

// merge makes one value of two, of which the first may not be there yet. As in SQL, a NULL counts for nothing.
func (h *scatter) merge(a *partValue, b partValue, how Merge) (err error) {
	switch {
	case a.json == nil || a.null:
		*a = b
	case b.null:
	case how.orders():
		if order := h.dialect.compareKeys(b.key, a.key, []Key{{}}); order < 0 && how == "min" || order > 0 && how == "max" {
			*a = b
		}
	case isNull(a.json): // a NaN or an infinity, which JSON has not: with them the sum is none either
	case isNull(b.json):
		*a = b
	default:
		a.json, err = add(a.json, b.json)
	}
	return err
}

// orders tells whether it is the order of values that decides.
func (m Merge) orders() bool { return m == "min" || m == "max" }

func isNull(raw json.RawMessage) bool { return string(raw) == "null" }

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
