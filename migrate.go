package sluice

import (
	"context"
	"time"
)

// Migrator is a block under backends whose schema is kept in migrations. It is asked before the backend is opened.
type Migrator interface {
	// Migrations lists all migrations in their order.
	Migrations(ctx context.Context) ([]Migration, error)
	// MigrateUp applies all that are pending and returns those.
	MigrateUp(ctx context.Context) ([]Migration, error)
	// MigrateDown takes back the last one that was applied and returns it.
	MigrateDown(ctx context.Context) ([]Migration, error)
}

// Migration is one step of a schema.
type Migration struct {
	Version int64
	// Name is the name of its file.
	Name string
	// Applied is when it was applied; the zero time while it is pending.
	Applied time.Time
}
