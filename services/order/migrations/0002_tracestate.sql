-- W3C tracestate next to traceparent; NULL when there is none. Both are changes of the catalogue
-- only, whatever the size of the tables, and the version before goes on working meanwhile. Each
-- needs its table to itself for a moment: behind a long transaction it gives up, so that others
-- need not wait long, and comes again (pg_migrate.c).

ALTER TABLE orders ADD COLUMN tracestate text;
ALTER TABLE outbox ADD COLUMN tracestate text;
