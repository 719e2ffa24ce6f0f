-- W3C tracestate next to traceparent; NULL when there is none. Both are changes of the catalogue only,
-- whatever the size of the tables, and the version before goes on working meanwhile.

ALTER TABLE orders ADD COLUMN tracestate text;
ALTER TABLE outbox ADD COLUMN tracestate text;
