-- +goose Up
CREATE TABLE products (
    id          BIGINT    PRIMARY KEY,
    sku         TEXT      NOT NULL UNIQUE,
    name        TEXT      NOT NULL,
    category    TEXT      NOT NULL,
    price_cents INTEGER   NOT NULL CHECK (price_cents >= 0),
    currency    TEXT      NOT NULL,
    stock       INTEGER   NOT NULL CHECK (stock >= 0),
    created_at  TIMESTAMP NOT NULL
);
CREATE INDEX products_by_category ON products (category, id);

CREATE TABLE reports (
    id          TEXT      PRIMARY KEY,
    category    TEXT      NOT NULL,
    products    BIGINT    NOT NULL,
    units       BIGINT    NOT NULL,
    value_cents BIGINT    NOT NULL,
    created_at  TIMESTAMP NOT NULL
);

-- +goose Down
DROP TABLE reports;
DROP TABLE products;
