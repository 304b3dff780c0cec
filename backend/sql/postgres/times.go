package postgres

import (
	"encoding/binary"
	"math"
	"strconv"
)

const (
	micro  = 1e6
	day    = 86400 * micro
	minute = 60 * micro
	// epoch is the first day of 2000, from which PostgreSQL counts, in days since the first of March of the year 0.
	epoch = 730425
)

// appendTimes appends a date, a time of day or a point in time. Points in time are of RFC 3339 and in UTC: a timestamp
// without a zone is taken for UTC too. An infinite one is the string infinity or -infinity.
func appendTimes(dst []byte, k kind, v []byte) ([]byte, bool) {
	switch {
	case k == date && len(v) == 4:
		dst = append(dst, '"')
		switch days := int32(binary.BigEndian.Uint32(v)); days {
		case math.MaxInt32:
			dst = append(dst, "infinity"...)
		case math.MinInt32:
			dst = append(dst, "-infinity"...)
		default:
			dst = appendDay(dst, int64(days))
		}
	case k == clock && len(v) == 8:
		dst = appendClock(append(dst, '"'), int64(binary.BigEndian.Uint64(v)))
	case (k == timestamp || k == timestamptz) && len(v) == 8:
		dst = appendInstant(append(dst, '"'), int64(binary.BigEndian.Uint64(v)))
	default:
		return dst, false
	}
	return append(dst, '"'), true
}

// appendInstant appends a point in time, given in microseconds since the start of 2000.
func appendInstant(dst []byte, t int64) []byte {
	switch t {
	case math.MaxInt64:
		return append(dst, "infinity"...)
	case math.MinInt64:
		return append(dst, "-infinity"...)
	}
	days, rest := t/day, t%day
	if rest < 0 {
		days, rest = days-1, rest+day
	}
	dst = append(appendDay(dst, days), 'T')
	return append(appendClock(dst, rest), 'Z')
}

// appendDay appends a date of the Gregorian calendar, given in days since the start of 2000. Years before 1 are those of
// ISO 8601: 1 BC is 0000. The algorithm counts years from March, so that the day of a leap year is a year's last:
// https://howardhinnant.github.io/date_algorithms.html#civil_from_days
func appendDay(dst []byte, days int64) []byte {
	const era = 146097 // days of 400 years
	z := days + epoch
	eras := z / era
	if z < 0 {
		eras = (z - era + 1) / era
	}
	doe := z - eras*era
	yoe := (doe - doe/1460 + doe/36524 - doe/(era-1)) / 365
	year := yoe + eras*400
	doy := doe - (365*yoe + yoe/4 - yoe/100)
	mp := (5*doy + 2) / 153
	dom := doy - (153*mp+2)/5 + 1
	month := mp + 3
	if month > 12 {
		month -= 12
		year++
	}
	if year < 0 {
		dst, year = append(dst, '-'), -year
	}
	if year > 9999 {
		dst = strconv.AppendInt(dst, year, 10)
	} else {
		dst = appendDigits(dst, int(year), 4)
	}
	return append2(append(append2(append(dst, '-'), month), '-'), dom)
}

// appendClock appends a time of day, given in microseconds.
func appendClock(dst []byte, t int64) []byte {
	if t < 0 || t > day {
		t = 0 // no such time is ever sent
	}
	minutes, rest := t/minute, t%minute
	dst = append2(append(append2(dst, minutes/60), ':'), minutes%60)
	dst = append2(append(dst, ':'), rest/micro)
	fraction := rest % micro
	if fraction == 0 {
		return dst
	}
	size := 6
	for fraction%10 == 0 {
		fraction /= 10
		size--
	}
	return appendDigits(append(dst, '.'), int(fraction), size)
}

func append2(dst []byte, n int64) []byte { return append(dst, '0'+byte(n/10), '0'+byte(n%10)) }
