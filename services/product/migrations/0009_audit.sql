-- The prices of each product, with the time from which each counts, for audit: an order has one that was valid when
-- it was made. The database writes them itself, whoever changes the price: versions before, and people, too. Two of one product
-- are never of the same moment, though clocks step.
CREATE TABLE product_prices (
    product_id     bigint NOT NULL,
    since          timestamptz NOT NULL,
    price_cents    bigint NOT NULL,
    is_first_known boolean NOT NULL DEFAULT false, -- it may have counted before, or another
    PRIMARY KEY (product_id, since)
);

-- Of a product that was there before this table the price until then comes first, unless it is noted (0011_epochs.sql).
CREATE FUNCTION note_price() RETURNS trigger LANGUAGE plpgsql AS $function$
BEGIN
    IF TG_OP = 'UPDATE' AND NOT EXISTS (SELECT FROM product_prices WHERE product_id = NEW.id) THEN
        INSERT INTO product_prices (product_id, since, price_cents, is_first_known) VALUES (NEW.id, now(), OLD.price_cents, true);
    END IF;
    INSERT INTO product_prices (product_id, since, price_cents) SELECT NEW.id,
        greatest(clock_timestamp(), max(since) + interval '1 microsecond'), NEW.price_cents
        FROM product_prices WHERE product_id = NEW.id;
    RETURN NULL;
END
$function$;

-- A change of stock costs this comparison and no more. A trigger that named the column would keep it from another type.
CREATE FUNCTION has_other_price(a products, b products) RETURNS boolean LANGUAGE sql IMMUTABLE
    AS 'SELECT a.price_cents <> b.price_cents';

CREATE TRIGGER note_first_price AFTER INSERT ON products FOR EACH ROW EXECUTE FUNCTION note_price();
CREATE TRIGGER note_new_price AFTER UPDATE ON products FOR EACH ROW
    WHEN (has_other_price(OLD, NEW)) EXECUTE FUNCTION note_price();

-- How far the last audit that found nothing wrong has come, and what the last one said; the order database has the same
-- row, with the same token, as long as both are of one history (services/admin/books.h).
CREATE TABLE audit_mark (
    token    text NOT NULL,
    low_id   bigint NOT NULL,      -- orders up to here were right
    clean_at timestamptz NOT NULL, -- when that audit began
    balanced boolean NOT NULL,     -- of the last audit
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row)
);

-- When audit finds that a product's stock is not what restocks and ledger say, and a person knows that the stock is right: what
-- is between them is noted like an adjustment, with a reason. The stock itself does not change.
CREATE FUNCTION accept_stock(product bigint, why text) RETURNS text LANGUAGE plpgsql AS $function$
DECLARE
    unexplained bigint;
BEGIN
    PERFORM FROM products WHERE id = product FOR UPDATE;
    SELECT qty - initial_qty - coalesce((SELECT sum(quantity) FROM restocks WHERE product_id = product), 0)
        + coalesce((SELECT sum(quantity) FROM stock_ledger WHERE product_id = product AND status = 'done'), 0)
        INTO unexplained FROM products WHERE id = product;
    IF unexplained <> 0 THEN
        INSERT INTO restocks (product_id, quantity, restocked_at, request_id, reason)
        VALUES (product, unexplained, now(), 'audit', why);
    END IF;
    RETURN format('product %s: %s accepted', product, coalesce(unexplained::text, 'there is no such product: nothing'));
END
$function$;
