package sluice

import (
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// ParseDuration reads a duration with its unit: "250ms", "10s", "5m", "1h30m", "7d". The units are those of
// time.ParseDuration and d, a day of 24 hours. It is never negative.
func ParseDuration(text string) (time.Duration, error) {
	fail := fmt.Errorf("%q is not a duration; want a number with a unit, such as 250ms, 10s, 5m, 1h30m or 7d", text)
	days, rest, found := strings.Cut(text, "d")
	if !found {
		days, rest = "0", text
	}
	n, err := strconv.ParseUint(days, 10, 16)
	if err != nil {
		return 0, fail
	}
	total := time.Duration(n) * 24 * time.Hour
	if rest == "" && found {
		return total, nil
	}
	d, err := time.ParseDuration(rest)
	if total += d; err != nil || d < 0 || total < 0 || rest == "0" || strings.HasPrefix(rest, "+") {
		return 0, fail
	}
	return total, nil
}

// Size is a number of bytes. In text it has a unit: B, KB, MB, GB (powers of 1000) or KiB, MiB, GiB (powers of 1024).
type Size int64

var sizeUnits = []struct {
	name  string
	bytes int64
}{{"GiB", 1 << 30}, {"GB", 1e9}, {"MiB", 1 << 20}, {"MB", 1e6}, {"KiB", 1 << 10}, {"KB", 1e3}, {"B", 1}}

// UnmarshalText reads a size with its unit.
func (s *Size) UnmarshalText(text []byte) error {
	for _, u := range sizeUnits {
		number, found := strings.CutSuffix(string(text), u.name)
		if !found {
			continue
		}
		n, err := strconv.ParseFloat(number, 64)
		if err != nil || strings.Trim(number, "0123456789.") != "" || n*float64(u.bytes) > math.MaxInt64/2 {
			break
		}
		*s = Size(n * float64(u.bytes))
		return nil
	}
	return fmt.Errorf("%q is not a size; want a number with a unit, such as 512B, 64KB, 1MB or 2GiB", text)
}

// MarshalText is the size with the largest unit that divides it.
func (s Size) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

func (s Size) String() string {
	for _, u := range sizeUnits {
		if n := int64(s); n >= u.bytes && n%u.bytes == 0 {
			return strconv.FormatInt(n/u.bytes, 10) + u.name
		}
	}
	return strconv.FormatInt(int64(s), 10) + "B"
}

// Rate is a number of events in a period: "100/s", "1000/m", "5/h", "1/d", "10/30s".
type Rate struct {
	Count int64
	Per   time.Duration
}

// UnmarshalText reads a rate.
func (r *Rate) UnmarshalText(text []byte) error {
	fail := fmt.Errorf("%q is not a rate; want a number of events in a period, such as 100/s, 1000/m, 5/h or 10/30s", text)
	count, per, found := strings.Cut(string(text), "/")
	n, err := strconv.ParseInt(count, 10, 64)
	if !found || err != nil || n < 1 || per == "" {
		return fail
	}
	if c := per[0]; 'a' <= c && c <= 'z' {
		per = "1" + per
	}
	d, err := ParseDuration(per)
	if err != nil || d <= 0 {
		return fail
	}
	*r = Rate{Count: n, Per: d}
	return nil
}

// MarshalText is the rate as text.
func (r Rate) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

func (r Rate) String() string {
	per := r.Per.String()
	for _, unit := range []struct {
		name string
		d    time.Duration
	}{{"s", time.Second}, {"m", time.Minute}, {"h", time.Hour}, {"d", 24 * time.Hour}} {
		if r.Per == unit.d {
			per = unit.name
		}
	}
	return strconv.FormatInt(r.Count, 10) + "/" + per
}

// Percent is a share in hundredths: "20%", "0.5%", "150%".
type Percent float64

// UnmarshalText reads a share. It is never negative.
func (p *Percent) UnmarshalText(text []byte) error {
	number, found := strings.CutSuffix(string(text), "%")
	n, err := strconv.ParseFloat(number, 64)
	if !found || err != nil || strings.Trim(number, "0123456789.") != "" || n > 1e6 {
		return fmt.Errorf("%q is not a share; want a number of hundredths, such as 20%% or 0.5%%", text)
	}
	*p = Percent(n)
	return nil
}

// MarshalText is the share as text.
func (p Percent) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

func (p Percent) String() string { return strconv.FormatFloat(float64(p), 'f', -1, 64) + "%" }

// Of is that share of n.
func (p Percent) Of(n float64) float64 { return n * float64(p) / 100 }

// Secret is text that must not be shown: it prints and marshals as "***".
type Secret string

func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return "***"
}

// GoString keeps %#v from showing the secret.
func (s Secret) GoString() string { return s.String() }

// MarshalText hides the secret.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Reveal is the secret itself.
func (s Secret) Reveal() string { return string(s) }

// Resolver is a config value that holds a path: it is told the folder of the file that names it, to which paths are
// relative.
type Resolver interface{ Resolve(dir string) }

// Path is the path of a file or a folder, relative to the file that names it.
type Path string

// Resolve makes the path absolute or relative to the working directory.
func (p *Path) Resolve(dir string) {
	if *p != "" && !filepath.IsAbs(string(*p)) {
		*p = Path(filepath.Join(dir, string(*p)))
	}
}

// UnmarshalText takes the path as it is.
func (p *Path) UnmarshalText(text []byte) error {
	if strings.ContainsRune(string(text), 0) {
		return errors.New("a path holds no NUL")
	}
	*p = Path(text)
	return nil
}

// Entry is one entry of a Map.
type Entry[T any] struct {
	Name  string
	Value T
}

// Map is a YAML map whose keys are the user's names, in the order of the file.
type Map[T any] []Entry[T]

// AppendEntry appends an entry with that name and returns where its value is to be put.
func (m *Map[T]) AppendEntry(name string) any {
	*m = append(*m, Entry[T]{Name: name})
	return &(*m)[len(*m)-1].Value
}

// Value is the value under a name, and whether there is one.
func (m Map[T]) Value(name string) (value T, ok bool) {
	for _, e := range m {
		if e.Name == name {
			return e.Value, true
		}
	}
	return value, false
}
