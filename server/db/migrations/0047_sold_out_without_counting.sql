-- Decide one batch in arrival order, as in 0037, and say whether a pool without a free unit is sold
-- out by whether anybody still holds one. Counting what was sold took, under the pool's lock, longer
-- with every unit that the pool ever sold.
DROP FUNCTION reserve_batch(uuid, uuid[], uuid[], uuid[], integer[]);
CREATE FUNCTION reserve_batch(
    p_pool uuid, p_ids uuid[], p_sales uuid[], p_users uuid[], p_qty integer[],
    OUT outcomes smallint[], OUT states text[], OUT versions bigint[], OUT prices bigint[],
    OUT shown_until bigint[], OUT opens_at bigint[],
    OUT now_ms bigint, OUT pool_version bigint, OUT total integer, OUT claimed integer,
    OUT is_sold_out boolean, OUT expired_ids uuid[], OUT expired_sales uuid[], OUT expired_users uuid[]
)
LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
    s stock%ROWTYPE;
    stored_qty integer[];
    bought integer[];
    sale_window smallint[];
    per_buyer integer[];
    campaign_minor bigint;
    hold_ms bigint[];
    release_ms bigint[];
    won integer := 0;
    free integer;
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
        now_ms := clock_ms();
        SELECT * INTO s FROM stock WHERE stock.pool_id = p_pool;
    END IF;
    IF s.total > s.claimed AND EXISTS (
        SELECT 1 FROM waiting_list w WHERE w.pool_id = p_pool AND w.state = 'waiting'
    ) THEN
        PERFORM serve_waiting(p_pool, now_ms);
        SELECT * INTO s FROM stock WHERE stock.pool_id = p_pool;
    END IF;
    IF s.sale_id IS NULL THEN
        campaign_minor := campaign_price(s.sku, now_ms);
    END IF;
    SELECT array_agg(r.state ORDER BY q.ord), array_agg(r.qty ORDER BY q.ord),
        array_agg(r.version ORDER BY q.ord),
        array_agg(coalesce(r.unit_price_minor, CASE x.kind
            WHEN 'regular' THEN least(x.price_minor, campaign_minor)
            ELSE x.price_minor END) ORDER BY q.ord),
        array_agg(coalesce(r.shown_until_ms, now_ms + x.hold_s * 1000::bigint) ORDER BY q.ord),
        array_agg(now_ms + (x.hold_s + x.grace_s) * 1000::bigint ORDER BY q.ord),
        array_agg(coalesce(b.qty, 0) ORDER BY q.ord), array_agg(x.per_buyer ORDER BY q.ord),
        array_agg(x.opens_at_ms ORDER BY q.ord),
        array_agg(CASE
            WHEN x.id IS NULL THEN 3
            WHEN x.state IN ('ended', 'cancelled') THEN 5
            WHEN x.state = 'halted' AND (now_ms < x.ends_at_ms) IS NOT FALSE THEN 10
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
        END IF;
    END LOOP;

    is_sold_out := won = 0 AND free = 0 AND NOT EXISTS (
        SELECT 1 FROM reservations r WHERE r.pool_id = p_pool AND r.state IN ('held', 'paying')
    );
    IF is_sold_out THEN
        outcomes := ARRAY(
            SELECT CASE WHEN o.v = 8 THEN 7 ELSE o.v END::smallint
            FROM unnest(outcomes) WITH ORDINALITY AS o (v, ord) ORDER BY o.ord
        );
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
