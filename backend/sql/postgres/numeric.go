package postgres

import (
	"cmp"
	"encoding/binary"
	"math"
	"strconv"
)

// decimal is a numeric as the server sends it: digits to the base of 10000, the first of which counts 10000 to the weight.
type decimal struct {
	weight int
	sign   uint16
	scale  int // decimal digits behind the point
	digits []byte
}

const (
	negative    = 0x4000
	notANumber  = 0xC000
	infinity    = 0xD000
	negInfinity = 0xF000
)

// parseDecimal reads the binary format of numeric (numeric_send).
func parseDecimal(v []byte) (d decimal, ok bool) {
	if len(v) < 8 {
		return d, false
	}
	n := int(int16(binary.BigEndian.Uint16(v)))
	d.weight = int(int16(binary.BigEndian.Uint16(v[2:])))
	d.sign = binary.BigEndian.Uint16(v[4:])
	d.scale = int(binary.BigEndian.Uint16(v[6:]))
	d.digits = v[8:]
	switch d.sign {
	case 0, negative, notANumber, infinity, negInfinity:
	default:
		return d, false
	}
	if n < 0 || len(d.digits) != 2*n || d.scale > 0x3FFF {
		return d, false
	}
	for i := range n {
		if binary.BigEndian.Uint16(d.digits[2*i:]) > 9999 {
			return d, false
		}
	}
	return d, true
}

// digit is the one that counts 10000 to the power given.
func (d *decimal) digit(power int) int {
	i := d.weight - power
	if i < 0 || 2*i >= len(d.digits) {
		return 0
	}
	return int(binary.BigEndian.Uint16(d.digits[2*i:]))
}

func (d *decimal) special() bool { return d.sign >= notANumber }

// appendText appends all digits, as the server's text format has them.
func (d *decimal) appendText(dst []byte) []byte {
	if d.sign == negative {
		dst = append(dst, '-')
	}
	first := max(d.weight, 0)
	for first > 0 && d.digit(first) == 0 {
		first--
	}
	dst = strconv.AppendInt(dst, int64(d.digit(first)), 10)
	for power := first - 1; power >= 0; power-- {
		dst = appendDigits(dst, d.digit(power), 4)
	}
	if d.scale == 0 {
		return dst
	}
	dst = append(dst, '.')
	left := d.scale
	for power := -1; left > 0; power-- {
		n := d.digit(power)
		size := min(left, 4)
		for i := size; i < 4; i++ {
			n /= 10
		}
		dst = appendDigits(dst, n, size)
		left -= size
	}
	return dst
}

// appendDigits appends a number in so many decimal digits.
func appendDigits(dst []byte, n, size int) []byte {
	at := len(dst)
	for range size {
		dst = append(dst, '0')
	}
	for i := len(dst) - 1; i >= at; i-- {
		dst[i] = '0' + byte(n%10)
		n /= 10
	}
	return dst
}

// int is the integer, if it is one that 64 bits hold.
func (d *decimal) int() (n int64, ok bool) {
	if d.special() {
		return 0, false
	}
	last := d.weight - len(d.digits)/2 + 1
	for power := min(-1, d.weight); power >= last; power-- {
		if d.digit(power) != 0 {
			return 0, false
		}
	}
	for power := d.weight; power >= 0; power-- {
		digit := int64(d.digit(power))
		// Below zero there is room for one more.
		if n < (math.MinInt64+digit)/10000 {
			return 0, false
		}
		n = n*10000 - digit
	}
	if d.sign == negative {
		return n, true
	}
	return -n, n != math.MinInt64
}

func (e encoder) appendNumeric(dst, v []byte) ([]byte, bool) {
	d, ok := parseDecimal(v)
	switch {
	case !ok:
		return dst, false
	case d.special():
		return append(dst, "null"...), true
	case e.int64Text:
		return append(d.appendText(append(dst, '"')), '"'), true
	}
	return d.appendText(dst), true
}

// rank orders what is no number: below all is minus infinity, above all NaN.
func (d *decimal) rank() int {
	switch d.sign {
	case negInfinity:
		return -1
	case infinity:
		return 1
	case notANumber:
		return 2
	}
	return 0
}

// compare orders two numerics as the server does.
func (d *decimal) compare(o *decimal) int {
	if d.special() || o.special() {
		return cmp.Compare(d.rank(), o.rank())
	}
	a, b := d.signum(), o.signum()
	if a != b || a == 0 {
		return cmp.Compare(a, b)
	}
	return a * d.compareSize(o)
}

// signum is -1, 0 or 1.
func (d *decimal) signum() int {
	for _, b := range d.digits {
		if b != 0 {
			if d.sign == negative {
				return -1
			}
			return 1
		}
	}
	return 0
}

func (d *decimal) compareSize(o *decimal) int {
	last := min(d.weight-len(d.digits)/2, o.weight-len(o.digits)/2)
	for power := max(d.weight, o.weight); power > last; power-- {
		if c := cmp.Compare(d.digit(power), o.digit(power)); c != 0 {
			return c
		}
	}
	return 0
}
