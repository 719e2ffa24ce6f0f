-- A product's version is an epoch, and below it, in 20 bits, how often the product has changed since that began. An epoch
-- is the second in which it began: when the server of this database was started, when another one took over, or when this
-- table was loaded. So what is told of a product after its database was restored to an earlier moment is newer than all
-- that was told before, by whoever heard it (docs/adr/0022-versions-begin-anew.md).
CREATE TABLE version_floor (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    floor    bigint NOT NULL CHECK (floor BETWEEN 1 AND 9007199254740991), -- no version is below it
    server   text NOT NULL,   -- what it was then
    made_by  bigint NOT NULL  -- the transaction that wrote this row: in one that was loaded, not this row's own
);

CREATE FUNCTION version_server() RETURNS text LANGUAGE sql AS $function$
    SELECT extract(epoch FROM pg_postmaster_start_time())::text || ' ' || left(pg_walfile_name(pg_current_wal_insert_lsn()), 8)
$function$;

-- Whoever changes a product under the floor before has ended when it rises: a change reads it first, with the row's lock.
CREATE FUNCTION begin_epoch() RETURNS void LANGUAGE plpgsql AS $function$
BEGIN
    LOCK TABLE products IN EXCLUSIVE MODE;
    INSERT INTO version_floor AS f (floor, server, made_by)
    VALUES (ceil(extract(epoch FROM now()))::bigint << 20, version_server(), pg_current_xact_id()::text::bigint)
    ON CONFLICT (only_row) DO UPDATE SET floor = greatest(f.floor + (1 << 20), excluded.floor),
        server = excluded.server, made_by = excluded.made_by;
END
$function$;

CREATE FUNCTION begin_epoch_if_due() RETURNS void LANGUAGE plpgsql AS $function$
BEGIN
    PERFORM FROM version_floor WHERE server = version_server() AND made_by % 4294967296 = xmin::text::bigint;
    IF NOT FOUND THEN
        PERFORM begin_epoch();
    END IF;
END
$function$;

-- The first epoch, which begins at the end of this transaction: rows have its versions already, so that the version before
-- can run beside this one. Written once, in a time that grows with the catalogue; orders of products wait meanwhile.
UPDATE products SET version = ceil(extract(epoch FROM now()))::bigint << 20;
