-- Products, their stock, and what happened to it.

-- The service takes ids in blocks: the increment is the block size (see ids in app.c).
CREATE SEQUENCE product_ids INCREMENT BY 20;
CREATE SEQUENCE outbox_ids INCREMENT BY 4000;

CREATE TABLE products (
    id          bigint PRIMARY KEY,
    name        text NOT NULL CHECK (char_length(name) BETWEEN 1 AND 200),
    price_cents bigint NOT NULL CHECK (price_cents BETWEEN 0 AND 999999999999),
    qty         bigint NOT NULL CHECK (qty BETWEEN 0 AND 2147483647),
    initial_qty bigint NOT NULL,
    version     bigint NOT NULL CHECK (version > 0),
    created_at  timestamptz NOT NULL CHECK (created_at BETWEEN '1970-01-01 00:00:00Z' AND '9999-12-31 23:59:59Z'),
    updated_at  timestamptz NOT NULL CHECK (updated_at BETWEEN '1970-01-01 00:00:00Z' AND '9999-12-31 23:59:59Z'),
    request_id  text NOT NULL CHECK (octet_length(request_id) <= 128)
) WITH (fillfactor = 50);

-- Every order that was decided, once: the order id is the key, so hearing twice is harmless.
CREATE TABLE stock_ledger (
    order_id   bigint PRIMARY KEY,
    product_id bigint NOT NULL,
    quantity   bigint NOT NULL CHECK (quantity > 0),
    status     text NOT NULL CHECK (status IN ('done', 'rejected')),
    reason     text CHECK (reason IN ('out_of_stock', 'product_not_found')),
    decided_at timestamptz NOT NULL CHECK (decided_at BETWEEN '1970-01-01 00:00:00Z' AND '9999-12-31 23:59:59Z'),
    request_id text NOT NULL,
    CHECK ((status = 'rejected') = (reason IS NOT NULL))
);

-- Stock that came in after the product was created. Per product:
-- initial_qty + sum(restocks) - sum(stock_ledger where done) = qty
CREATE TABLE restocks (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    product_id  bigint NOT NULL REFERENCES products,
    quantity    bigint NOT NULL CHECK (quantity > 0),
    restocked_at timestamptz NOT NULL,
    request_id  text NOT NULL
);
CREATE INDEX restocks_by_product ON restocks (product_id);

CREATE TABLE outbox (
    id             bigint PRIMARY KEY,
    routing_key    text NOT NULL,
    message_id     text NOT NULL,
    correlation_id text NOT NULL,
    traceparent    text NOT NULL,
    body           text NOT NULL,
    available_at   timestamptz NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000);
