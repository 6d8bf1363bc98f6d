-- What a disputed order needs and no table kept: the rules of its sale at the press, and how far
-- the room had been told.

-- Why a price was asked for twice: the host's limits, and whether the price was typed again.
ALTER TABLE sales ADD COLUMN guard jsonb;

-- Every version of a sale's own row, only ever added to. A reservation was decided under the newest
-- one with `pool_version` below its own version: both are written under the pool's lock, so that
-- no clock has a say. The whole row is kept, so that a rule that comes later is kept as well.
CREATE TABLE sale_terms (
    sale_id uuid NOT NULL,
    version integer NOT NULL,
    pool_version bigint NOT NULL,
    at_ms bigint NOT NULL,
    terms jsonb NOT NULL,
    PRIMARY KEY (sale_id, version)
);
CREATE TRIGGER sale_terms_are_append_only BEFORE UPDATE OR DELETE ON sale_terms
    FOR EACH ROW EXECUTE FUNCTION refuse_change();

CREATE FUNCTION log_terms() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    INSERT INTO sale_terms (sale_id, version, pool_version, at_ms, terms)
    SELECT NEW.id,
        1 + coalesce((SELECT max(t.version) FROM sale_terms t WHERE t.sale_id = NEW.id), 0),
        coalesce((SELECT k.version FROM stock k WHERE k.pool_id = NEW.pool_id), 0),
        clock_ms(), to_jsonb(NEW);
    RETURN NULL;
END
$$;
CREATE TRIGGER sales_log_their_first_terms AFTER INSERT ON sales
    FOR EACH ROW EXECUTE FUNCTION log_terms();
CREATE TRIGGER sales_log_their_terms AFTER UPDATE ON sales
    FOR EACH ROW WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION log_terms();

-- Of earlier reservations the terms are not known, and none are made up.
INSERT INTO sale_terms (sale_id, version, pool_version, at_ms, terms)
SELECT s.id, 1, coalesce(k.version, 0), clock_ms(), to_jsonb(s)
FROM sales s LEFT JOIN stock k ON k.pool_id = s.pool_id;

-- How far a room's log had come when reservations of a pool's version were decided: no viewer can
-- have been told anything behind it. One row a batch and room, not one a reservation.
CREATE TABLE press_offsets (
    pool_id uuid NOT NULL,
    version bigint NOT NULL,
    room_id uuid NOT NULL,
    log_offset bigint NOT NULL,
    PRIMARY KEY (pool_id, version, room_id)
);
CREATE TRIGGER press_offsets_are_append_only BEFORE UPDATE OR DELETE ON press_offsets
    FOR EACH ROW EXECUTE FUNCTION refuse_change();

CREATE FUNCTION note_press_offset() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    INSERT INTO press_offsets (pool_id, version, room_id, log_offset)
    SELECT DISTINCT a.pool_id, a.version, h.room_id, h.log_offset
    FROM (SELECT DISTINCT n.pool_id, n.version, n.sale_id FROM added n) a
    JOIN sales s ON s.id = a.sale_id
    JOIN room_log_heads h ON h.room_id = s.room_id
    ON CONFLICT DO NOTHING;
    RETURN NULL;
END
$$;
CREATE TRIGGER reservations_note_the_log AFTER INSERT ON reservations
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION note_press_offset();
