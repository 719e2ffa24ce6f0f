-- Orders that a person has decided about, because nothing else could (./prodorder order resolve): who, why, and what the
-- ledger had of them before. 'gone': there was no such order.
CREATE TABLE resolutions (
    order_id    bigint NOT NULL,
    created_at  timestamptz NOT NULL, -- of the order
    status      text NOT NULL CHECK (status IN ('done', 'rejected', 'cancelled', 'gone')),
    resolved_at timestamptz NOT NULL,
    resolved_by text NOT NULL CHECK (char_length(resolved_by) BETWEEN 1 AND 500),
    why         text NOT NULL CHECK (char_length(why) BETWEEN 1 AND 500),
    ledger_was  text,
    PRIMARY KEY (order_id, created_at, resolved_at)
);
