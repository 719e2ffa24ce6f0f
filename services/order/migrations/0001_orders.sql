-- Orders, their idempotency keys, and the events that still have to be told.

-- The service takes ids in blocks: the increment is the block size (ORDER_ID_BLOCK in statements.h).
CREATE SEQUENCE order_ids INCREMENT BY 1000;

-- No index contains a column that changes after the insert, so that waiting -> done is a HOT update;
-- fillfactor leaves the room for it.
CREATE TABLE orders (
    id                bigint PRIMARY KEY,
    product_id        bigint NOT NULL,
    quantity          bigint NOT NULL CHECK (quantity BETWEEN 1 AND 1000000),
    unit_price_cents  bigint NOT NULL CHECK (unit_price_cents >= 0),
    total_price_cents bigint NOT NULL CHECK (total_price_cents = unit_price_cents * quantity),
    status            text NOT NULL DEFAULT 'waiting' CHECK (status IN ('waiting', 'done', 'rejected')),
    reason            text CHECK (reason IN ('out_of_stock', 'product_not_found')),
    created_at        timestamptz NOT NULL CHECK (created_at BETWEEN '1970-01-01 00:00:00Z' AND '9999-12-31 23:59:59Z'),
    updated_at        timestamptz NOT NULL CHECK (updated_at BETWEEN '1970-01-01 00:00:00Z' AND '9999-12-31 23:59:59Z'),
    request_id        text NOT NULL CHECK (octet_length(request_id) <= 128),
    traceparent       text NOT NULL,
    CHECK ((status = 'rejected') = (reason IS NOT NULL))
) WITH (fillfactor = 75);

CREATE INDEX orders_by_product ON orders (product_id, created_at DESC, id DESC);
CREATE INDEX orders_by_time ON orders USING brin (created_at);

CREATE TABLE idempotency_keys (
    key        text PRIMARY KEY,
    order_id   bigint NOT NULL,
    product_id bigint NOT NULL,
    quantity   bigint NOT NULL,
    created_at timestamptz NOT NULL
);
CREATE INDEX idempotency_keys_by_time ON idempotency_keys USING brin (created_at);

CREATE TABLE outbox (
    id             bigint PRIMARY KEY,
    routing_key    text NOT NULL,
    message_id     text NOT NULL,
    correlation_id text NOT NULL,
    traceparent    text NOT NULL,
    body           text NOT NULL,
    available_at   timestamptz NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000);
