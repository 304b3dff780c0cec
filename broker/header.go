package broker

import "strings"

// The fields that stand for a message's ID and type with brokers that have no place of their own for them.
const (
	idField   = "Message-Id"
	typeField = "Content-Type"
)

// Fields are all that is told of a message beside its body, for brokers that have but a header for it.
func (m *Message) Fields() []Field {
	all := make([]Field, 0, len(m.Header)+2)
	if m.ID != "" {
		all = append(all, Field{idField, m.ID})
	}
	if m.Type != "" {
		all = append(all, Field{typeField, m.Type})
	}
	return append(all, m.Header...)
}

// SetField takes a field from a broker that has but a header: what Fields has made becomes what it was.
func (m *Message) SetField(name, value string) {
	switch {
	case m.ID == "" && strings.EqualFold(name, idField):
		m.ID = value
	case m.Type == "" && strings.EqualFold(name, typeField):
		m.Type = value
	default:
		m.Header = append(m.Header, Field{name, value})
	}
}
