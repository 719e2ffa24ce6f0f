-- Which of these orders another transaction has locked: not those that do not exist, nor those that
-- were not tried when total_ms was over (whoever asks comes again). Each is waited for wait_ms: a
-- replica's own transactions are over sooner. A lock that was had is given up at once, with the
-- lock_timeout: the block ends by an error, which undoes both.

CREATE FUNCTION locked_orders(ids bigint[], wait_ms int, total_ms int) RETURNS SETOF bigint
LANGUAGE plpgsql AS $function$
DECLARE
    this_id bigint;
    end_at  timestamptz := clock_timestamp() + total_ms * interval '1 ms';
BEGIN
    FOR this_id IN SELECT DISTINCT u.id FROM unnest(ids) AS u (id) ORDER BY u.id LOOP
        EXIT WHEN clock_timestamp() >= end_at;
        BEGIN
            PERFORM set_config('lock_timeout', wait_ms::text, true);
            PERFORM FROM orders WHERE id = this_id FOR NO KEY UPDATE; -- as an UPDATE of its status
            RAISE SQLSTATE 'FREED';
        EXCEPTION
            WHEN lock_not_available THEN RETURN NEXT this_id;
            WHEN SQLSTATE 'FREED' THEN NULL;
        END;
    END LOOP;
END
$function$;
