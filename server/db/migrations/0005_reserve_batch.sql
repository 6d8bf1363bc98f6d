-- Deciding a batch of requests for one pool: one call, one lock, one commit.
--
-- Lock order everywhere: room, payment, order, stock (ascending), reservation (ascending), buyer,
-- the room's log head; buyers' rows are changed under their pool's lock alone.
-- `commerce/goods/inventory/rules.py` holds the same decision as a pure function; a test compares.

-- Return to the pool what the named reservations hold, when they still are in one of `p_from`.
-- The caller holds the pool's lock; rows another transaction has in hand are skipped.
CREATE FUNCTION free_reservations(
    p_pool uuid, p_ids uuid[], p_from text[], p_to text, p_now_ms bigint
) RETURNS TABLE (id uuid, sale_id uuid, user_id uuid, qty integer)
LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
    freed_ids uuid[];
    freed_sales uuid[];
    freed_users uuid[];
    freed_qty integer[];
    freed integer;
BEGIN
    WITH mine AS (
        SELECT r.id FROM reservations r
        WHERE r.id = ANY (p_ids) AND r.pool_id = p_pool AND r.state = ANY (p_from)
        ORDER BY r.id
        FOR UPDATE SKIP LOCKED
    ), changed AS (
        UPDATE reservations r SET state = p_to FROM mine WHERE r.id = mine.id
        RETURNING r.id, r.sale_id, r.user_id, r.qty
    )
    SELECT array_agg(c.id), array_agg(c.sale_id), array_agg(c.user_id), array_agg(c.qty), sum(c.qty)
    INTO freed_ids, freed_sales, freed_users, freed_qty, freed
    FROM changed c;
    IF freed IS NULL THEN
        RETURN;
    END IF;
    UPDATE sale_buyers b SET qty = b.qty - f.qty
    FROM (
        SELECT u.sale_id, u.user_id, sum(u.qty) AS qty
        FROM unnest(freed_sales, freed_users, freed_qty) AS u (sale_id, user_id, qty)
        GROUP BY u.sale_id, u.user_id
    ) f
    WHERE b.sale_id = f.sale_id AND b.user_id = f.user_id;
    UPDATE stock s SET claimed = s.claimed - freed, version = s.version + 1
    WHERE s.pool_id = p_pool;
    INSERT INTO stock_journal (pool_id, version, claimed_delta, total_delta, reason, at_ms)
    SELECT s.pool_id, s.version, -freed, 0, p_to, p_now_ms FROM stock s WHERE s.pool_id = p_pool;
    RETURN QUERY SELECT * FROM unnest(freed_ids, freed_sales, freed_users, freed_qty);
END
$$;

-- Free every hold of the pool whose time is over; takes the pool's lock itself.
CREATE FUNCTION expire_due(p_pool uuid)
RETURNS TABLE (id uuid, sale_id uuid, user_id uuid, qty integer)
LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
    now_ms bigint;
BEGIN
    PERFORM 1 FROM stock s WHERE s.pool_id = p_pool FOR NO KEY UPDATE;
    now_ms := clock_ms();
    RETURN QUERY SELECT * FROM free_reservations(
        p_pool,
        ARRAY(
            SELECT r.id FROM reservations r
            WHERE r.pool_id = p_pool AND r.state IN ('held', 'paying')
              AND r.release_at_ms <= now_ms
            LIMIT 5000
        ),
        ARRAY['held', 'paying'], 'expired', now_ms
    );
END
$$;

-- Decide one batch in arrival order. Arrays are parallel; no two requests of a batch have the
-- same id or the same buyer in the same sale (the batcher sees to it, the keys enforce it).
-- Outcomes: 0 reserved, 1 replayed, 2 conflict, 3 no such sale, 4 not_open, 5 ended,
-- 6 limit_reached, 7 sold_out, 8 held_out, 9 not_enough_left.
CREATE FUNCTION reserve_batch(
    p_pool uuid, p_ids uuid[], p_sales uuid[], p_users uuid[], p_qty integer[],
    OUT outcomes smallint[], OUT states text[], OUT versions bigint[], OUT prices bigint[],
    OUT shown_until bigint[], OUT opens_at bigint[],
    OUT now_ms bigint, OUT pool_version bigint, OUT total integer, OUT claimed integer,
    OUT sold integer, OUT expired_ids uuid[], OUT expired_sales uuid[], OUT expired_users uuid[]
)
LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
    s stock%ROWTYPE;
    stored_qty integer[];
    bought integer[];
    sale_window smallint[];
    per_buyer integer[];
    sale_price bigint[];
    hold_ms bigint[];
    release_ms bigint[];
    won integer := 0;
    free integer;
    is_short boolean := false;
    i integer;
BEGIN
    SELECT * INTO s FROM stock WHERE stock.pool_id = p_pool FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'no such pool %', p_pool USING ERRCODE = 'no_data_found';
    END IF;
    now_ms := clock_ms();
    IF EXISTS (
        SELECT 1 FROM reservations r
        WHERE r.pool_id = p_pool AND r.state IN ('held', 'paying') AND r.release_at_ms <= now_ms
    ) THEN
        SELECT array_agg(e.id), array_agg(e.sale_id), array_agg(e.user_id)
        INTO expired_ids, expired_sales, expired_users
        FROM expire_due(p_pool) e;
        SELECT * INTO s FROM stock WHERE stock.pool_id = p_pool;
    END IF;
    SELECT array_agg(r.state ORDER BY q.ord), array_agg(r.qty ORDER BY q.ord),
        array_agg(r.version ORDER BY q.ord),
        array_agg(coalesce(r.unit_price_minor, x.price_minor) ORDER BY q.ord),
        array_agg(coalesce(r.shown_until_ms, now_ms + x.hold_s * 1000::bigint) ORDER BY q.ord),
        array_agg(now_ms + (x.hold_s + x.grace_s) * 1000::bigint ORDER BY q.ord),
        array_agg(coalesce(b.qty, 0) ORDER BY q.ord), array_agg(x.per_buyer ORDER BY q.ord),
        array_agg(x.opens_at_ms ORDER BY q.ord),
        array_agg(CASE
            WHEN x.id IS NULL THEN 3
            WHEN x.state IN ('ended', 'cancelled') THEN 5
            WHEN x.opens_at_ms IS NULL OR now_ms < x.opens_at_ms THEN 4
            WHEN now_ms >= x.ends_at_ms THEN 5
            ELSE 0 END::smallint ORDER BY q.ord)
    INTO states, stored_qty, versions, prices, shown_until, release_ms, bought, per_buyer,
        opens_at, sale_window
    FROM unnest(p_ids, p_sales, p_users) WITH ORDINALITY AS q (id, sale_id, user_id, ord)
    LEFT JOIN reservations r ON r.id = q.id
    LEFT JOIN sale_buyers b ON b.sale_id = q.sale_id AND b.user_id = q.user_id
    LEFT JOIN sales x ON x.id = q.sale_id AND x.pool_id = p_pool;

    free := s.total - s.claimed;
    outcomes := sale_window;
    FOR i IN 1 .. cardinality(p_ids) LOOP
        IF states[i] IS NOT NULL THEN
            outcomes[i] := CASE WHEN stored_qty[i] = p_qty[i] THEN 1 ELSE 2 END;
        ELSIF outcomes[i] <> 0 THEN
            CONTINUE;
        ELSIF per_buyer[i] IS NOT NULL AND bought[i] + p_qty[i] > per_buyer[i] THEN
            outcomes[i] := 6;
        ELSIF p_qty[i] <= free THEN
            free := free - p_qty[i];
            won := won + p_qty[i];
        ELSE
            outcomes[i] := CASE WHEN free > 0 THEN 9 ELSE 8 END;
            is_short := true;
        END IF;
    END LOOP;

    IF is_short OR free = 0 THEN
        SELECT coalesce(sum(r.qty), 0) INTO sold
        FROM reservations r WHERE r.pool_id = p_pool AND r.state = 'sold';
        IF sold = s.total THEN
            outcomes := ARRAY(
                SELECT CASE WHEN o.v = 8 THEN 7 ELSE o.v END::smallint
                FROM unnest(outcomes) WITH ORDINALITY AS o (v, ord) ORDER BY o.ord
            );
        END IF;
    END IF;

    IF won > 0 THEN
        s.version := s.version + 1;
        INSERT INTO reservations (id, pool_id, sale_id, user_id, qty, unit_price_minor, version,
            seq, decided_at_ms, shown_until_ms, release_at_ms)
        SELECT q.id, p_pool, q.sale_id, q.user_id, q.qty, q.price, s.version, q.ord, now_ms,
            q.shown, q.release
        FROM unnest(p_ids, p_sales, p_users, p_qty, prices, shown_until, release_ms, outcomes)
            WITH ORDINALITY AS q (id, sale_id, user_id, qty, price, shown, release, outcome, ord)
        WHERE q.outcome = 0;
        INSERT INTO sale_buyers AS b (sale_id, user_id, qty)
        SELECT q.sale_id, q.user_id, q.qty
        FROM unnest(p_sales, p_users, p_qty, outcomes) AS q (sale_id, user_id, qty, outcome)
        WHERE q.outcome = 0
        ON CONFLICT (sale_id, user_id) DO UPDATE SET qty = b.qty + excluded.qty;
        UPDATE stock SET claimed = stock.claimed + won, version = s.version
        WHERE stock.pool_id = p_pool;
        INSERT INTO stock_journal (pool_id, version, claimed_delta, total_delta, reason, at_ms)
        VALUES (p_pool, s.version, won, 0, 'reserved', now_ms);
    END IF;
    pool_version := s.version;
    total := s.total;
    claimed := s.claimed + won;
END
$$;
