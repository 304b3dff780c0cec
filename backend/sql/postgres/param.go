package postgres

import "github.com/sluiceapi/sluice"

// Refuses tells what a parameter is, if no value of a type that an input can be declared with is ever taken for it: a
// number is no uuid, and a boolean no date. It is "" where some are. Booleans are 0 and 1 where numbers are wanted.
func (s *Stmt) Refuses(param int, t sluice.ValueType) string {
	if t != sluice.Integer && t != sluice.Number && t != sluice.Boolean || param >= len(s.params) {
		return ""
	}
	switch s.params[param].kind {
	case uuid:
		return "a uuid"
	case array, textArray:
		return "an array"
	case date, clock, timestamp, timestamptz:
		if t == sluice.Boolean {
			return "a date or a time"
		}
	}
	return ""
}
