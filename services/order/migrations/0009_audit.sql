-- How far the last audit that found nothing wrong has come, and what the last one said; the product database has the same
-- row, with the same token, as long as both are of one history (services/admin/books.h).
CREATE TABLE audit_mark (
    token    text NOT NULL,
    low_id   bigint NOT NULL,      -- orders up to here were right
    clean_at timestamptz NOT NULL, -- when that audit began
    balanced boolean NOT NULL,     -- of the last audit
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row)
);
