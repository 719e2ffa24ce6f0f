-- W3C tracestate next to traceparent; NULL when there is none. A change of the catalogue only, and
-- the version before goes on working meanwhile. It needs the table to itself for a moment: behind a
-- long transaction it gives up, so that others need not wait long, and comes again (pg_migrate.c).

ALTER TABLE outbox ADD COLUMN tracestate text;
