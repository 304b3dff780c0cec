package postgres

// Rows is a statement at work.
type Rows struct {
	conn *Conn
	open bool
}
