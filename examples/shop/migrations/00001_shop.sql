-- +goose Up
CREATE TABLE products (
    id          INTEGER PRIMARY KEY,
    sku         TEXT      NOT NULL UNIQUE,
    name        TEXT      NOT NULL,
    category    TEXT      NOT NULL,
    price_cents INTEGER   NOT NULL CHECK (price_cents >= 0),
    currency    TEXT      NOT NULL,
    stock       INTEGER   NOT NULL CHECK (stock >= 0),
    created_at  TIMESTAMP NOT NULL
);
CREATE INDEX products_by_category ON products (category, id);

CREATE TABLE users (
    id         INTEGER PRIMARY KEY,
    name       TEXT      NOT NULL,
    email      TEXT      NOT NULL UNIQUE,
    country    TEXT      NOT NULL,
    created_at TIMESTAMP NOT NULL
);

CREATE TABLE orders (
    id          TEXT      PRIMARY KEY,
    user_id     INTEGER   NOT NULL REFERENCES users (id),
    product_id  INTEGER   NOT NULL REFERENCES products (id),
    quantity    INTEGER   NOT NULL CHECK (quantity > 0),
    total_cents INTEGER   NOT NULL,
    state       TEXT      NOT NULL CHECK (state IN ('placed', 'paid', 'shipped', 'cancelled')),
    created_at  TIMESTAMP NOT NULL
);
CREATE INDEX orders_by_user ON orders (user_id, created_at DESC, id DESC);
CREATE INDEX orders_by_product ON orders (product_id);

CREATE TABLE reports (
    id            TEXT      PRIMARY KEY,
    category      TEXT      NOT NULL,
    orders        INTEGER   NOT NULL,
    units         INTEGER   NOT NULL,
    revenue_cents INTEGER   NOT NULL,
    created_at    TIMESTAMP NOT NULL
);

-- +goose Down
DROP TABLE reports;
DROP TABLE orders;
DROP TABLE users;
DROP TABLE products;
