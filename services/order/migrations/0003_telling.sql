-- An order's row is its own outbox: while it waits, somebody must still be told. The table outbox stays
-- for what versions before have left in it, and for those that still run beside this one.

-- Ids one by one, drawn in the statement that stores the order. Those of versions before come in blocks
-- of order_ids; where there are any, these begin far above what is left of them.
CREATE SEQUENCE order_numbers;
SELECT setval('order_numbers', last_value + 100000000) FROM order_ids WHERE is_called;

-- Up to here no order waits, and none will ever be stored.
CREATE TABLE order_mark (
    low_id   bigint NOT NULL,
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row)
);
INSERT INTO order_mark (low_id) VALUES (0);
