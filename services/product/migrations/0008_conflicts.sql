-- Orders that the ledger has with another product or quantity: they cannot be decided, and a person has to see them
-- (audit names them, `./prodorder order resolve` ends them). Each is a dead letter once, and not whenever it is
-- told again.
CREATE TABLE ledger_conflicts (
    order_id         bigint NOT NULL,
    order_created_at timestamptz NOT NULL,
    product_id       bigint NOT NULL, -- as the event says, and
    quantity         bigint NOT NULL,
    seen_at          timestamptz NOT NULL,
    request_id       text NOT NULL,
    PRIMARY KEY (order_id, order_created_at)
);
