-- An order that was cancelled. Its row says so at once, to everybody; here it is told to the product-service, again and
-- again, until that has answered that its stock is back, or will never be taken. Few rows beside those of orders:
-- an index of a column that changes would cost every order its HOT update.
CREATE TABLE cancellations (
    order_id     bigint PRIMARY KEY,
    created_at   timestamptz NOT NULL, -- of the order
    product_id   bigint NOT NULL,
    quantity     bigint NOT NULL,
    cancelled_at timestamptz NOT NULL,
    settled_at   timestamptz,          -- the product-service has answered
    tries        int NOT NULL DEFAULT 0,
    next_at      timestamptz NOT NULL, -- when it is told again
    request_id   text NOT NULL CHECK (octet_length(request_id) <= 128),
    traceparent  text NOT NULL,
    tracestate   text
);
CREATE INDEX cancellations_open ON cancellations (next_at) WHERE settled_at IS NULL;
CREATE INDEX cancellations_by_order ON cancellations (created_at, order_id);

-- For rows to come; those that are there have been checked by the old one. A change of the catalogue only.
ALTER TABLE orders DROP CONSTRAINT orders_status_check;
ALTER TABLE orders ADD CONSTRAINT orders_status_check
    CHECK (status IN ('waiting', 'done', 'rejected', 'cancelled')) NOT VALID;
