-- Expired keys are taken from one end of this index. (BRIN tells little as soon as the places of deleted
-- keys are used again: a range of pages keeps its lowest time.) It is built once, in a time that grows
-- with the table, about three seconds for two million keys. Meanwhile keys are read but not written, and
-- the insert of orders writes them: those that come wait, and are answered 503 after a while. Whoever has
-- built it before (CREATE INDEX CONCURRENTLY, docker/README.md) waits for nothing. The old one goes last:
-- that keeps readers out, too, until this transaction ends.
-- (One that was given up half-way is there, too, but not valid.)
DO $$ BEGIN
    IF EXISTS (SELECT FROM pg_index WHERE indexrelid = to_regclass('idempotency_keys_by_age') AND NOT indisvalid) THEN
        DROP INDEX idempotency_keys_by_age;
    END IF;
END $$;
CREATE INDEX IF NOT EXISTS idempotency_keys_by_age ON idempotency_keys (created_at);
DROP INDEX IF EXISTS idempotency_keys_by_time;
