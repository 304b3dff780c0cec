-- +goose Up
CREATE TABLE orders (id TEXT PRIMARY KEY, sku TEXT NOT NULL, count INTEGER NOT NULL) STRICT;

-- +goose Down
DROP TABLE orders;
