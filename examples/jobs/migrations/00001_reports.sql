-- +goose Up
CREATE TABLE reports (id TEXT PRIMARY KEY, name TEXT NOT NULL);

-- +goose Down
DROP TABLE reports;
