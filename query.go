package sluice

import "bytes"

// QueryValue finds the first parameter of that name in a query of the form a=1&b=2 and appends its decoded value
// to dst; count tells how often the name comes. A bad escape stays as it is written. Everything in Sluice that
// reads a query reads it with this, so that no two parts see two values.
func QueryValue(dst, query []byte, name string) (value []byte, count int) {
	for len(query) > 0 {
		var pair []byte
		if i := bytes.IndexByte(query, '&'); i >= 0 {
			pair, query = query[:i], query[i+1:]
		} else {
			pair, query = query, nil
		}
		key, val, _ := bytes.Cut(pair, []byte{'='})
		if !keyEqual(key, name) {
			continue
		}
		if count++; count == 1 {
			value = unescape(dst, val, true)
		}
	}
	return value, count
}

func keyEqual(key []byte, name string) bool {
	if bytes.IndexByte(key, '%') < 0 && bytes.IndexByte(key, '+') < 0 {
		return string(key) == name
	}
	var space [64]byte
	return string(unescape(space[:0], key, true)) == name
}
