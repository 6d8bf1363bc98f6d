-- What the auditor has to look at again, and how far it has come.
--
-- A change marks what it touched in its own transaction. So there is no watermark to get wrong: a
-- mark is seen when its change is, however late that transaction commits, and a round takes away
-- the marks that it saw and no others. A clock that jumps, or a restored dump, changes nothing.

CREATE TABLE audit_marks (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    pool_id uuid,
    live_delta bigint NOT NULL DEFAULT 0,
    is_deep boolean NOT NULL DEFAULT false,
    sale_id uuid,
    buyers uuid[],
    order_id uuid,
    room_id uuid,
    events_delta bigint NOT NULL DEFAULT 0
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);

-- Sums as of the marks that were taken away; with the marks still there they are the present ones.
CREATE TABLE audit_pools (
    pool_id uuid PRIMARY KEY,
    live bigint NOT NULL,
    journal_rows bigint NOT NULL,
    journal_version bigint NOT NULL,
    journal_claimed bigint NOT NULL,
    journal_total bigint NOT NULL,
    off_version bigint
) WITH (fillfactor = 50);

CREATE TABLE audit_rooms (
    room_id uuid PRIMARY KEY,
    events bigint NOT NULL
) WITH (fillfactor = 50);

-- What is wrong now, each until it is looked at again and found right.
CREATE TABLE audit_findings (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    check_name text NOT NULL,
    kind text NOT NULL,
    key text NOT NULL,
    shown text NOT NULL,
    since_ms bigint NOT NULL,
    checked_at_ms bigint NOT NULL
);
CREATE INDEX audit_findings_of_key ON audit_findings (kind, key);
CREATE INDEX audit_findings_oldest ON audit_findings (checked_at_ms, id);

-- One row: where the turn over everything stands. Rounds and slices lock the table, so that two
-- workers take turns.
CREATE TABLE audit_turn (
    is_only boolean PRIMARY KEY DEFAULT true CHECK (is_only),
    walk text NOT NULL DEFAULT '',
    cursor uuid[] NOT NULL DEFAULT '{}',
    keys bigint NOT NULL DEFAULT 0,
    began_at_ms bigint NOT NULL DEFAULT clock_ms(),
    last_began_at_ms bigint,
    last_ended_at_ms bigint
) WITH (fillfactor = 50);
INSERT INTO audit_turn DEFAULT VALUES;

-- One mark for each pool and sale that a statement touched, however many reservations it made:
-- a batch of the reservation core costs one row. A statement over more than 5,000 reservations of
-- one sale is nobody's but an administrator's; it names no buyers, the turn comes by them.
CREATE FUNCTION audit_mark_reservations() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO audit_marks (pool_id, sale_id, live_delta, buyers)
        SELECT f.pool_id, f.sale_id,
            coalesce(sum(f.qty) FILTER (WHERE f.state IN ('held', 'paying', 'sold')), 0),
            CASE WHEN count(*) <= 5000 THEN array_agg(f.user_id) END
        FROM fresh f GROUP BY f.pool_id, f.sale_id;
    ELSIF TG_OP = 'DELETE' THEN
        INSERT INTO audit_marks (pool_id, sale_id, live_delta, buyers)
        SELECT s.pool_id, s.sale_id,
            -coalesce(sum(s.qty) FILTER (WHERE s.state IN ('held', 'paying', 'sold')), 0),
            CASE WHEN count(*) <= 5000 THEN array_agg(s.user_id) END
        FROM stale s GROUP BY s.pool_id, s.sale_id;
    ELSE
        INSERT INTO audit_marks (pool_id, sale_id, live_delta, buyers)
        SELECT b.pool_id, b.sale_id,
            coalesce(sum(b.qty) FILTER (WHERE b.state IN ('held', 'paying', 'sold')), 0),
            CASE WHEN count(*) <= 10000 THEN array_agg(DISTINCT b.user_id) END
        FROM (
            SELECT f.pool_id, f.sale_id, f.user_id, f.state, f.qty FROM fresh f
            UNION ALL
            SELECT s.pool_id, s.sale_id, s.user_id, s.state, -s.qty FROM stale s
        ) b GROUP BY b.pool_id, b.sale_id;
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER audit_reservations_made AFTER INSERT ON reservations
    REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION audit_mark_reservations();
CREATE TRIGGER audit_reservations_changed AFTER UPDATE ON reservations
    REFERENCING NEW TABLE AS fresh OLD TABLE AS stale
    FOR EACH STATEMENT EXECUTE FUNCTION audit_mark_reservations();
CREATE TRIGGER audit_reservations_gone AFTER DELETE ON reservations
    REFERENCING OLD TABLE AS stale FOR EACH STATEMENT EXECUTE FUNCTION audit_mark_reservations();

-- A stock row that moves with its reservations is marked by them; this is for all other changes.
CREATE FUNCTION audit_mark_stock() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    INSERT INTO audit_marks (pool_id) VALUES (NEW.pool_id);
    RETURN NULL;
END
$$;
CREATE TRIGGER audit_stock_made AFTER INSERT ON stock
    FOR EACH ROW EXECUTE FUNCTION audit_mark_stock();
CREATE TRIGGER audit_stock_changed AFTER UPDATE ON stock
    FOR EACH ROW WHEN (
        NEW.total <> OLD.total OR NEW.version <> OLD.version + 1 OR NEW.claimed = OLD.claimed
    )
    EXECUTE FUNCTION audit_mark_stock();

-- The journal is appended to and never changed: whoever does has its pool read from the rows.
CREATE FUNCTION audit_mark_journal() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    INSERT INTO audit_marks (pool_id, is_deep) SELECT DISTINCT s.pool_id, true FROM stale s;
    RETURN NULL;
END
$$;
CREATE TRIGGER audit_journal_changed AFTER UPDATE ON stock_journal
    REFERENCING OLD TABLE AS stale FOR EACH STATEMENT EXECUTE FUNCTION audit_mark_journal();
CREATE TRIGGER audit_journal_gone AFTER DELETE ON stock_journal
    REFERENCING OLD TABLE AS stale FOR EACH STATEMENT EXECUTE FUNCTION audit_mark_journal();

CREATE FUNCTION audit_mark_buyer() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    INSERT INTO audit_marks (sale_id, buyers) VALUES (OLD.sale_id, ARRAY[OLD.user_id]);
    RETURN NULL;
END
$$;
-- Sums of buyers move with their reservations, which mark them.
CREATE TRIGGER audit_buyer_gone AFTER DELETE ON sale_buyers
    FOR EACH ROW EXECUTE FUNCTION audit_mark_buyer();

-- An order with its lines and payments is looked at as one. What cannot break a promise marks
-- nothing: an attempt to pay without money, a call that is tried again.
CREATE FUNCTION audit_mark_order() RETURNS trigger
LANGUAGE plpgsql
AS $$
DECLARE
    touched jsonb := to_jsonb(coalesce(NEW, OLD));
BEGIN
    INSERT INTO audit_marks (order_id)
    VALUES (CASE TG_TABLE_NAME
        WHEN 'orders' THEN (touched ->> 'id')::uuid
        WHEN 'payment_calls' THEN
            (SELECT p.order_id FROM payments p WHERE p.id = (touched ->> 'payment_id')::uuid)
        ELSE (touched ->> 'order_id')::uuid END);
    RETURN NULL;
END
$$;
CREATE TRIGGER audit_order_made AFTER INSERT ON orders
    FOR EACH ROW EXECUTE FUNCTION audit_mark_order();
CREATE TRIGGER audit_order_changed AFTER UPDATE ON orders
    FOR EACH ROW WHEN (NEW.state <> OLD.state OR NEW.total_minor <> OLD.total_minor)
    EXECUTE FUNCTION audit_mark_order();
CREATE TRIGGER audit_line_changed AFTER UPDATE OR DELETE ON order_lines
    FOR EACH ROW EXECUTE FUNCTION audit_mark_order();
CREATE TRIGGER audit_payment_made AFTER INSERT ON payments
    FOR EACH ROW WHEN (NEW.state <> 'created') EXECUTE FUNCTION audit_mark_order();
CREATE TRIGGER audit_payment_changed AFTER UPDATE ON payments
    FOR EACH ROW WHEN (NEW.state <> OLD.state OR NEW.amount_minor <> OLD.amount_minor)
    EXECUTE FUNCTION audit_mark_order();
CREATE TRIGGER audit_payment_gone AFTER DELETE ON payments
    FOR EACH ROW EXECUTE FUNCTION audit_mark_order();
CREATE TRIGGER audit_call_changed AFTER UPDATE ON payment_calls
    FOR EACH ROW WHEN (NEW.state <> OLD.state) EXECUTE FUNCTION audit_mark_order();
CREATE TRIGGER audit_call_gone AFTER DELETE ON payment_calls
    FOR EACH ROW EXECUTE FUNCTION audit_mark_order();

CREATE FUNCTION audit_mark_log() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    INSERT INTO audit_marks (room_id, events_delta)
    SELECT c.room_id, CASE TG_OP WHEN 'INSERT' THEN count(*) ELSE -count(*) END
    FROM changed c GROUP BY c.room_id;
    RETURN NULL;
END
$$;
CREATE TRIGGER audit_events_made AFTER INSERT ON room_events
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION audit_mark_log();
CREATE TRIGGER audit_events_gone AFTER DELETE ON room_events
    REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION audit_mark_log();
