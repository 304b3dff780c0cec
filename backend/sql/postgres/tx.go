package postgres

// begun is a transaction that is to begin with the next statement.
type begun uint8

const (
	notBegun begun = iota
	toWrite
	toRead
)

// verb is a statement of our own, prepared when a connection opens.
type verb int

const (
	begin verb = iota
	beginRead
	commit
	rollback
	flushed
	verbCount
)
