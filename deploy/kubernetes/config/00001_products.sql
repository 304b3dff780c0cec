-- +goose Up
CREATE TABLE products (
  id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  name TEXT NOT NULL,
  price_cents BIGINT NOT NULL
);
CREATE TABLE reports (
  id TEXT PRIMARY KEY,
  products BIGINT NOT NULL
);

-- +goose Down
DROP TABLE reports;
DROP TABLE products;
