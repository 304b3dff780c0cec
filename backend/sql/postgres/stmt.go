package postgres

// statements are the prepared statements of a connection.
type statements struct{}

func (k *statements) init() {}
