-- Expired keys are taken from one end of this index. (BRIN tells little as soon as the places of deleted
-- keys are used again: a range of pages keeps its lowest time.) It is built once, in a time that grows
-- with the table, about three seconds for two million keys. Meanwhile keys are read, but not written:
-- orders, also those without a key that share an insert with one, are answered 503 when DB_LOCK_TIMEOUT_MS
-- is over. Whoever has built it before (CREATE INDEX CONCURRENTLY, docker/README.md) waits for nothing.
-- The old one goes last: that keeps readers out, too, for a moment.
CREATE INDEX IF NOT EXISTS idempotency_keys_by_age ON idempotency_keys (created_at);
DROP INDEX idempotency_keys_by_time;
