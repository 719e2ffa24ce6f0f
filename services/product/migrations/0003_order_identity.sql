-- An order is (id, createdAt): when an order database was restored to an earlier moment its ids come
-- again, and are other orders. Rows of versions before have no createdAt, '-infinity' then: those are
-- told apart by the request id. The new key is built once, in a time that grows with the ledger; the
-- versions before go on working.

ALTER TABLE stock_ledger ADD COLUMN order_created_at timestamptz NOT NULL DEFAULT '-infinity';
ALTER TABLE stock_ledger DROP CONSTRAINT stock_ledger_pkey, ADD PRIMARY KEY (order_id, order_created_at);
