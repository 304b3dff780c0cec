package sluice

// Caller is who asks. The zero Caller is nobody known.
type Caller struct {
	// Scheme is the kind of the policy that found out who asks, such as "jwt".
	Scheme string
	// Issuer is who vouches for the subject. It holds no space.
	Issuer string
	// Subject is the caller's name with the issuer; empty where a caller has none, so that others may look the same.
	Subject string
	// Claims is what the issuer says of the subject: a valid JSON object, or nil.
	Claims []byte
}

// Known tells whether it is known who asks.
func (c *Caller) Known() bool { return c.Scheme != "" }

// AppendKey appends issuer and subject as one text that no other caller with a subject has.
func (c *Caller) AppendKey(dst []byte) []byte {
	return append(append(append(dst, c.Issuer...), ' '), c.Subject...)
}
