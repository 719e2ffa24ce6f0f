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

-- The epoch that is to begin first, on a database that has products: they have its versions already when it begins, so that
-- the version before can run beside this one.
CREATE TABLE first_epoch (
    only_row  boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    floor     bigint NOT NULL,
    raised_to bigint NOT NULL -- the last product that has it
);
INSERT INTO first_epoch (floor, raised_to) SELECT ceil(extract(epoch FROM now()))::bigint << 20, min(id) - 1
    FROM products HAVING min(id) IS NOT NULL;

CREATE FUNCTION raise_new_version() RETURNS trigger LANGUAGE plpgsql AS $function$
BEGIN
    NEW.version := greatest(NEW.version, (SELECT floor FROM first_epoch), (SELECT floor FROM version_floor));
    RETURN NEW;
END
$function$;
CREATE TRIGGER raise_new_version BEFORE INSERT ON products FOR EACH ROW EXECUTE FUNCTION raise_new_version();

-- The next products by id get the version of the first epoch, and their prices are noted (0009_audit.sql). False: there are no more.
CREATE FUNCTION raise_versions(count int) RETURNS boolean LANGUAGE plpgsql AS $function$
DECLARE
    first record;
    ids   bigint[];
BEGIN
    SELECT * INTO first FROM first_epoch;
    ids := ARRAY(SELECT id FROM products WHERE id > first.raised_to ORDER BY id LIMIT count FOR UPDATE);
    INSERT INTO product_prices (product_id, since, price_cents, is_first_known) SELECT id, now(), price_cents, true
        FROM products AS p WHERE id = ANY (ids) AND NOT EXISTS (SELECT FROM product_prices WHERE product_id = p.id);
    UPDATE products SET version = first.floor WHERE id = ANY (ids) AND version < first.floor;
    UPDATE first_epoch SET raised_to = coalesce(ids[cardinality(ids)], raised_to);
    RETURN cardinality(ids) > 0;
END
$function$;

-- Whoever changes a product under the floor before has ended when it rises: a change reads it first, with the row's lock.
CREATE FUNCTION begin_epoch() RETURNS void LANGUAGE plpgsql AS $function$
BEGIN
    LOCK TABLE products IN EXCLUSIVE MODE;
    INSERT INTO version_floor AS f (floor, server, made_by)
    VALUES (coalesce((SELECT floor FROM first_epoch), ceil(extract(epoch FROM now()))::bigint << 20), version_server(), pg_current_xact_id()::text::bigint)
    ON CONFLICT (only_row) DO UPDATE SET floor = greatest(f.floor + (1 << 20), excluded.floor),
        server = excluded.server, made_by = excluded.made_by;
    DELETE FROM first_epoch;
END
$function$;

-- True: it is to be called again, in a transaction of its own. Products are locked for a batch of them, a few milliseconds, or
-- until those who change some have ended.
CREATE FUNCTION begin_epoch_if_due() RETURNS boolean LANGUAGE plpgsql AS $function$
BEGIN
    IF EXISTS (SELECT FROM first_epoch) AND raise_versions(1000) THEN
        RETURN true;
    END IF;
    PERFORM FROM version_floor WHERE server = version_server() AND made_by % 4294967296 = xmin::text::bigint;
    IF NOT FOUND THEN
        PERFORM begin_epoch();
    END IF;
    RETURN false;
END
$function$;
