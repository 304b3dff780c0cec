-- +goose Up
CREATE TABLE users (
  id BIGINT PRIMARY KEY,
  name TEXT NOT NULL
);

-- +goose Down
DROP TABLE users;
