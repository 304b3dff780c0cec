-- +goose Up
CREATE TABLE products (
  id BIGINT PRIMARY KEY,
  name TEXT NOT NULL,
  price_cents BIGINT NOT NULL
);
INSERT INTO products (id, name, price_cents) VALUES (1, 'chair', 4900), (2, 'table', 19900), (3, 'lamp', 2900);
CREATE TABLE reports (
  id TEXT PRIMARY KEY,
  products BIGINT NOT NULL,
  value_cents BIGINT NOT NULL
);

-- +goose Down
DROP TABLE reports;
DROP TABLE products;
