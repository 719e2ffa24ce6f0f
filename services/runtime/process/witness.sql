-- How far this database has come, as its service notes it outside of it (services/runtime/process/witness.h).
CREATE TABLE witness (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    beats    bigint NOT NULL,
    beat_at  timestamptz NOT NULL
) WITH (fillfactor = 10);
INSERT INTO witness (beats, beat_at) VALUES (1, clock_timestamp());

-- One beat more than here or known outside, whichever is more: so only one of several replicas finds it behind. Each
-- sequence that is behind what is known of it goes on `margin` ids above that. A row for each sequence: what it had given
-- last, and has now; with the beats before and after, and the time of the last one.
CREATE FUNCTION witness_beat(known_beats bigint, names text[], known_ids bigint[], margin bigint)
RETURNS TABLE (beats_before bigint, beat_before timestamptz, beats_after bigint, id_before bigint, id_after bigint)
LANGUAGE plpgsql AS $function$
BEGIN
    SELECT w.beats, w.beat_at INTO STRICT beats_before, beat_before FROM witness AS w FOR UPDATE;
    UPDATE witness SET beats = greatest(beats, known_beats) + 1, beat_at = clock_timestamp() RETURNING beats INTO beats_after;
    FOR i IN 1 .. cardinality(names) LOOP
        EXECUTE format('SELECT CASE WHEN is_called THEN last_value ELSE last_value - 1 END FROM %s', names[i]::regclass)
            INTO STRICT id_before;
        id_after := id_before;
        IF id_before < known_ids[i] THEN
            id_after := setval(names[i]::regclass, known_ids[i] + margin);
        END IF;
        RETURN NEXT;
    END LOOP;
END
$function$;
