-- +goose Up
CREATE TABLE products (
  id BIGINT PRIMARY KEY,
  name TEXT NOT NULL,
  price_cents BIGINT NOT NULL
);

-- +goose Down
DROP TABLE products;
