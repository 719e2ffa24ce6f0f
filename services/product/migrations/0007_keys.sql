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

-- Which of these keys another transaction is storing, as locked_products() finds products. What is tried is undone.
CREATE FUNCTION locked_keys(keys text[], wait_ms int, total_ms int) RETURNS SETOF text
LANGUAGE plpgsql AS $function$
DECLARE
    this_key text;
    end_at   timestamptz := clock_timestamp() + total_ms * interval '1 ms';
BEGIN
    FOR this_key IN SELECT DISTINCT u.key FROM unnest(keys) AS u (key) ORDER BY u.key LOOP
        EXIT WHEN clock_timestamp() >= end_at;
        BEGIN
            PERFORM set_config('lock_timeout', wait_ms::text, true);
            INSERT INTO idempotency_keys AS k (key, request, product_id, version, answer, created_at)
            VALUES (this_key, '', 0, 0, '', now()) ON CONFLICT (key) DO UPDATE SET request = k.request;
            RAISE SQLSTATE 'FREED';
        EXCEPTION
            WHEN lock_not_available THEN RETURN NEXT this_key;
            WHEN SQLSTATE 'FREED' THEN NULL;
        END;
    END LOOP;
END
$function$;
