-- +goose Up
CREATE TABLE users (
    id           BIGINT    PRIMARY KEY,
    name         TEXT      NOT NULL,
    email        TEXT      NOT NULL UNIQUE,
    country      TEXT      NOT NULL,
    credit_cents BIGINT    NOT NULL CHECK (credit_cents >= 0),
    created_at   TIMESTAMP NOT NULL
);

-- What products cost. Orders stand where their user does, so every shard has a copy of it.
CREATE TABLE prices (
    product_id  BIGINT  PRIMARY KEY,
    price_cents INTEGER NOT NULL CHECK (price_cents >= 0)
);

CREATE TABLE orders (
    id          TEXT      PRIMARY KEY,
    user_id     BIGINT    NOT NULL REFERENCES users (id),
    product_id  BIGINT    NOT NULL,
    quantity    INTEGER   NOT NULL CHECK (quantity > 0),
    total_cents BIGINT    NOT NULL,
    state       TEXT      NOT NULL CHECK (state IN ('placed', 'paid', 'shipped', 'cancelled')),
    created_at  TIMESTAMP NOT NULL
);
CREATE INDEX orders_by_user ON orders (user_id, created_at DESC, id DESC);

-- +goose Down
DROP TABLE orders;
DROP TABLE prices;
DROP TABLE users;
