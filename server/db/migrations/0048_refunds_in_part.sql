-- A line that is refunded in part frees its units as their money comes back.
--
-- `qty` stays what was pressed for, which a repeated press is compared with. What counts of a live
-- reservation is `qty - refunded_qty`: of the pool's claimed units, of the buyer's limit, of what was
-- sold. `restocked_qty` of those that came back can be sold again; the others have left the pool.
-- A reservation is refunded with its last unit, and sold until then.

-- Pools before reservations, as everybody locks them.
LOCK TABLE stock IN EXCLUSIVE MODE;
ALTER TABLE reservations
    ADD COLUMN refunded_qty integer NOT NULL DEFAULT 0,
    ADD COLUMN restocked_qty integer NOT NULL DEFAULT 0;

-- Marks of the auditor, as in 0010, over the units that count. It stands before the first row is
-- changed below, so that the sums which are kept follow.
CREATE OR REPLACE FUNCTION audit_mark_reservations() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO audit_marks (pool_id, sale_id, live_delta, buyers)
        SELECT f.pool_id, f.sale_id, coalesce(sum(f.qty - f.refunded_qty) FILTER (
                WHERE f.state IN ('held', 'paying', 'sold')), 0),
            CASE WHEN count(*) <= 5000 THEN array_agg(f.user_id) END
        FROM fresh f GROUP BY f.pool_id, f.sale_id;
    ELSIF TG_OP = 'DELETE' THEN
        INSERT INTO audit_marks (pool_id, sale_id, live_delta, buyers)
        SELECT s.pool_id, s.sale_id, -coalesce(sum(s.qty - s.refunded_qty) FILTER (
                WHERE s.state IN ('held', 'paying', 'sold')), 0),
            CASE WHEN count(*) <= 5000 THEN array_agg(s.user_id) END
        FROM stale s GROUP BY s.pool_id, s.sale_id;
    ELSE
        INSERT INTO audit_marks (pool_id, sale_id, live_delta, buyers)
        SELECT b.pool_id, b.sale_id,
            coalesce(sum(b.units) FILTER (WHERE b.state IN ('held', 'paying', 'sold')), 0),
            CASE WHEN count(*) <= 10000 THEN array_agg(DISTINCT b.user_id) END
        FROM (
            SELECT f.pool_id, f.sale_id, f.user_id, f.state, f.qty - f.refunded_qty AS units
            FROM fresh f
            UNION ALL
            SELECT s.pool_id, s.sale_id, s.user_id, s.state, s.refunded_qty - s.qty FROM stale s
        ) b GROUP BY b.pool_id, b.sale_id;
    END IF;
    RETURN NULL;
END
$$;

-- Take units of a paid reservation back: `p_refunded` of them are refunded by now, `p_restocked` of
-- these can be sold again. Both are totals, so whoever says the same twice changes nothing. What is
-- new frees the buyer's limit and the pool's claimed units; what is not restocked leaves the pool.
-- Both are one journal row, so claimed and total stay what the journal adds up to. The caller holds
-- the locks of the order, of the pool and of the reservation.
DROP FUNCTION refund_reservation(uuid, integer);
CREATE FUNCTION take_back_units(p_reservation uuid, p_refunded integer, p_restocked integer)
RETURNS boolean
LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
    r reservations%ROWTYPE;
    freed integer;
    restocked integer;
    pool_version bigint;
BEGIN
    SELECT * INTO r FROM reservations v
    WHERE v.id = p_reservation AND v.state IN ('sold', 'refunded') FOR UPDATE;
    freed := p_refunded - r.refunded_qty;
    restocked := p_restocked - r.restocked_qty;
    IF NOT FOUND OR (freed = 0 AND restocked = 0) THEN
        RETURN false;
    END IF;
    IF freed < 0 OR restocked < 0 THEN
        RAISE EXCEPTION 'reservation % has % refunded and % restocked, not % and %',
            r.id, r.refunded_qty, r.restocked_qty, p_refunded, p_restocked
            USING ERRCODE = 'check_violation';
    END IF;
    UPDATE reservations v SET refunded_qty = p_refunded, restocked_qty = p_restocked,
        state = CASE WHEN p_refunded = v.qty THEN 'refunded' ELSE v.state END
    WHERE v.id = r.id;
    UPDATE sale_buyers b SET qty = b.qty - freed
    WHERE b.sale_id = r.sale_id AND b.user_id = r.user_id;
    UPDATE stock s SET claimed = s.claimed - freed, total = s.total - freed + restocked,
        version = s.version + 1
    WHERE s.pool_id = r.pool_id RETURNING s.version INTO pool_version;
    INSERT INTO stock_journal (pool_id, version, claimed_delta, total_delta, reason, at_ms)
    VALUES (r.pool_id, pool_version, -freed, restocked - freed, 'refunded', clock_ms());
    -- What can be sold again goes to those who wait, before the public sees it.
    PERFORM serve_waiting(r.pool_id, clock_ms());
    RETURN true;
END
$$;

-- What was refunded whole has its units back already; of what was refunded in part they come now.
UPDATE reservations v SET refunded_qty = v.qty, restocked_qty = least(v.qty, coalesce((
    SELECT sum(x.qty) FROM refund_lines x JOIN refunds g ON g.id = x.refund_id
    WHERE x.reservation_id = v.id AND g.state = 'done' AND g.restock), 0))
WHERE v.state = 'refunded';

DO $$
DECLARE
    line record;
BEGIN
    FOR line IN
        SELECT v.id, least(v.qty, sum(x.qty))::integer AS refunded,
            least(v.qty, coalesce(sum(x.qty) FILTER (WHERE g.restock), 0))::integer AS restocked
        FROM refund_lines x JOIN refunds g ON g.id = x.refund_id AND g.state = 'done'
        JOIN reservations v ON v.id = x.reservation_id AND v.state = 'sold'
        GROUP BY v.id, v.pool_id, v.qty ORDER BY v.pool_id, v.id
    LOOP
        PERFORM take_back_units(line.id, line.refunded, line.restocked);
    END LOOP;
END
$$;

ALTER TABLE reservations
    ADD CONSTRAINT reservations_units_come_back_once CHECK (refunded_qty BETWEEN 0 AND qty),
    ADD CONSTRAINT reservations_restock_what_came_back
        CHECK (restocked_qty BETWEEN 0 AND refunded_qty),
    ADD CONSTRAINT reservations_are_refunded_whole CHECK (CASE state
        WHEN 'refunded' THEN refunded_qty = qty
        WHEN 'sold' THEN refunded_qty < qty
        ELSE refunded_qty = 0 END);

-- Sums over what is sold read an index alone; it has the same size as before.
DROP INDEX reservations_sold;
CREATE INDEX reservations_sold ON reservations (pool_id) INCLUDE (qty, refunded_qty)
    WHERE state = 'sold';
DROP INDEX reservations_promised;
CREATE INDEX reservations_promised ON reservations (sale_id) INCLUDE (qty, refunded_qty)
    WHERE seated_at_ms IS NOT NULL AND group_id IS NULL AND state IN ('paying', 'sold');

CREATE OR REPLACE VIEW pool_figures AS
SELECT k.pool_id, k.total, k.total - k.claimed AS available, k.claimed - q.sold AS held, q.sold
FROM stock k
CROSS JOIN LATERAL (
    SELECT coalesce(sum(r.qty - r.refunded_qty), 0)::integer AS sold FROM reservations r
    WHERE r.pool_id = k.pool_id AND r.state = 'sold'
) q;

-- Units of a sale that are promised by both sides. A threshold counts while it is open, and what was
-- promised under it is paid for once it is decided: what is refunded afterwards changes no price.
CREATE OR REPLACE FUNCTION promised_units(p_sale uuid) RETURNS integer
LANGUAGE sql STABLE
AS $$
    SELECT coalesce(sum(r.qty - r.refunded_qty), 0)::integer FROM reservations r
    WHERE r.sale_id = p_sale AND r.seated_at_ms IS NOT NULL AND r.group_id IS NULL
      AND r.state IN ('paying', 'sold')
$$;
