-- W3C tracestate next to traceparent; NULL when there is none. A change of the catalogue only, and the
-- version before goes on working meanwhile.

ALTER TABLE outbox ADD COLUMN tracestate text;
