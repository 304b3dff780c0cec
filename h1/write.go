package h1

// AppendField appends a field line.
func AppendField(dst, name, value []byte) []byte {
	dst = append(append(dst, name...), ": "...)
	return append(append(dst, value...), "\r\n"...)
}

// AppendStatus appends the status line of a response. reason may be empty.
func AppendStatus(dst []byte, status int, reason string) []byte {
	dst = append(dst, "HTTP/1.1 "...)
	dst = append(dst, byte('0'+status/100), byte('0'+status/10%10), byte('0'+status%10), ' ')
	return append(append(dst, reason...), "\r\n"...)
}

// OneLine tells whether b can stand within a line: nothing in it would end the line for any reader.
func OneLine(b []byte) bool { return plain(b) }
