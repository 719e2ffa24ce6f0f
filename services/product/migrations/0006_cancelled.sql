-- A cancelled order: 'cancelled' when it had taken nothing, and keeps it from ever taking anything; 'returned' when it had
-- been done, and its stock is back. Per product:
-- initial_qty + sum(restocks) - sum(stock_ledger where done) = qty
-- The check holds for rows to come; those that are there have been checked by the old one. A change of the catalogue only.
ALTER TABLE stock_ledger ADD COLUMN returned_at timestamptz;
ALTER TABLE stock_ledger DROP CONSTRAINT stock_ledger_status_check;
ALTER TABLE stock_ledger ADD CONSTRAINT stock_ledger_status_check
    CHECK (status IN ('done', 'rejected', 'cancelled', 'returned')) NOT VALID;
