-- Stock that a person adjusts, up or down, and why: what a restock has no reason for. The checks hold for rows to
-- come (NOT VALID: those that are there have been checked by the old one), so that this is a change of the catalogue
-- only, and the version before goes on working.
ALTER TABLE restocks ADD COLUMN reason text;
ALTER TABLE restocks DROP CONSTRAINT restocks_quantity_check;
ALTER TABLE restocks
    ADD CONSTRAINT restocks_quantity_check CHECK (quantity > 0 OR (quantity < 0 AND reason IS NOT NULL)) NOT VALID,
    ADD CONSTRAINT restocks_reason_check CHECK (char_length(reason) BETWEEN 1 AND 200) NOT VALID;
