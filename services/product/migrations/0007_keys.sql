-- Idempotency-Key of what changes products: the answer that the first request was given, for whoever asks again
-- within 24 hours. contract/key_expiry.c deletes by age.
CREATE TABLE idempotency_keys (
    key        text PRIMARY KEY,
    request    text NOT NULL,   -- what was asked for
    product_id bigint NOT NULL,
    version    bigint NOT NULL, -- of the product, as it was answered
    answer     text NOT NULL,   -- JSON
    created_at timestamptz NOT NULL
);
CREATE INDEX idempotency_keys_by_age ON idempotency_keys (created_at);
