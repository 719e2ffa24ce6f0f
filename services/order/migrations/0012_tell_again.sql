-- After the product database was restored to an earlier moment: tell it again of the orders that it had decided since. Those
-- that its ledger has are answered again, the others take their stock again; cancellations give back again what the ledger
-- has as taken. Nothing changes in the orders' rows, and it may be repeated. Orders that were made before made_since are not
-- looked at (a day before, unless said otherwise).
CREATE FUNCTION tell_again(since timestamptz, made_since timestamptz DEFAULT NULL) RETURNS text LANGUAGE plpgsql AS $function$
DECLARE
    orders_told        bigint;
    cancellations_told bigint;
BEGIN
    WITH told AS (
        INSERT INTO outbox (id, routing_key, message_id, correlation_id, traceparent, tracestate, body, available_at)
        SELECT id, 'order.created', format('order.created-%s-%s', id, (extract(epoch FROM created_at) * 1000)::bigint),
            request_id, traceparent, tracestate,
            format('{"orderId":%s,"productId":%s,"quantity":%s,"status":"waiting","createdAt":"%s"}', id, product_id, quantity,
                to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')),
            now()
        FROM orders WHERE id >= order_id_at(coalesce(made_since, since - interval '1 day'))
            AND status = 'done' AND updated_at >= since - interval '1 minute'
        ON CONFLICT (id) DO NOTHING RETURNING 1)
    SELECT count(*) INTO orders_told FROM told;
    UPDATE cancellations SET settled_at = NULL, tries = 0, next_at = now() WHERE settled_at >= since - interval '1 minute';
    GET DIAGNOSTICS cancellations_told = ROW_COUNT;
    RETURN format('%s orders and %s cancellations are told again', orders_told, cancellations_told);
END
$function$;
