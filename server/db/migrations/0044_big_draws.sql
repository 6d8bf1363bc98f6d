-- A draw of 100,000 entries is held in its time, and whoever comes while it is held is answered.
--
-- Its entries are marked in the order of their ids, which is that of two indexes, and sorted in
-- memory. The lock that `hold_draw` takes on its draw is held for seconds then: an entry that comes
-- when the window has closed is refused without asking for it, since the window never opens again.

CREATE OR REPLACE FUNCTION hold_draw(p_sale uuid, p_line integer) RETURNS boolean
LANGUAGE plpgsql VOLATILE
SET work_mem = '64MB'
AS $$
DECLARE
    d draws%ROWTYPE;
    s stock%ROWTYPE;
    x sales%ROWTYPE;
    at_ms bigint;
    hash bytea;
    ids uuid[];
    wants integer[];
    wins uuid[] := '{}';
    free integer;
    i integer;
BEGIN
    SELECT w.* INTO d FROM draws w WHERE w.sale_id = p_sale FOR UPDATE;
    SELECT q.* INTO x FROM sales q WHERE q.id = p_sale;
    IF d.sale_id IS NULL OR d.drawn_at_ms IS NOT NULL OR clock_ms() < d.entry_closes_at_ms
        OR x.state <> 'open' THEN
        RETURN false;
    END IF;
    SELECT sha256(coalesce(
        string_agg(uuid_send(e.id) || int4send(e.qty), ''::bytea ORDER BY e.id), ''::bytea))
    INTO hash FROM draw_entries e WHERE e.sale_id = p_sale AND e.withdrawn_at_ms IS NULL;
    WITH keyed AS MATERIALIZED (
        SELECT e.id, sha256(d.seed || hash || uuid_send(e.id)) AS key
        FROM draw_entries e WHERE e.sale_id = p_sale AND e.withdrawn_at_ms IS NULL
    ), ranked AS (
        SELECT k.id, k.key, row_number() OVER (ORDER BY k.key) AS rank FROM keyed k
    ), marked AS (
        UPDATE draw_entries e SET rank = r.rank, key = r.key
        FROM (SELECT * FROM ranked ORDER BY ranked.id) r WHERE e.id = r.id
        RETURNING e.id, e.qty, e.rank
    )
    SELECT coalesce(array_agg(m.id ORDER BY m.rank), '{}'), array_agg(m.qty ORDER BY m.rank)
    INTO ids, wants FROM marked m;

    SELECT k.* INTO s FROM stock k
    WHERE k.pool_id = (SELECT q.pool_id FROM sales q WHERE q.id = p_sale) FOR NO KEY UPDATE;
    SELECT q.* INTO x FROM sales q WHERE q.id = p_sale;
    at_ms := clock_ms();
    IF x.state <> 'open' OR at_ms >= x.ends_at_ms THEN
        -- Ended or halted just now: nothing is drawn, so nobody has a rank.
        UPDATE draw_entries e SET rank = NULL, key = NULL WHERE e.sale_id = p_sale;
        RETURN false;
    END IF;
    free := s.total - s.claimed;
    FOR i IN 1 .. cardinality(ids) LOOP
        EXIT WHEN free = 0;
        IF wants[i] <= free THEN
            free := free - wants[i];
            wins := wins || ids[i];
        END IF;
    END LOOP;
    UPDATE draws w SET drawn_at_ms = at_ms, digest = hash, units = s.total - s.claimed,
        entries = cardinality(ids), winners = cardinality(wins)
    WHERE w.sale_id = p_sale;
    IF cardinality(wins) > 0 THEN
        UPDATE draw_entries e SET reservation_id = gen_random_uuid() WHERE e.id = ANY (wins);
        INSERT INTO reservations (id, pool_id, sale_id, user_id, qty, unit_price_minor, origin,
            version, seq, decided_at_ms, shown_until_ms, release_at_ms)
        SELECT e.reservation_id, s.pool_id, p_sale, e.user_id, e.qty, x.price_minor, 'draw',
            s.version + 1, e.rank, at_ms, at_ms + x.hold_s * 1000::bigint,
            at_ms + (x.hold_s + x.grace_s) * 1000::bigint
        FROM draw_entries e WHERE e.id = ANY (wins);
        INSERT INTO sale_buyers AS b (sale_id, user_id, qty)
        SELECT p_sale, e.user_id, e.qty FROM draw_entries e WHERE e.id = ANY (wins)
        ON CONFLICT (sale_id, user_id) DO UPDATE SET qty = b.qty + excluded.qty;
        UPDATE stock k SET claimed = k.total - free, version = k.version + 1
        WHERE k.pool_id = s.pool_id;
        INSERT INTO stock_journal (pool_id, version, claimed_delta, total_delta, reason, at_ms)
        VALUES (s.pool_id, s.version + 1, s.total - s.claimed - free, 0, 'drawn', at_ms);
    END IF;
    INSERT INTO waiting_list (id, pool_id, sale_id, user_id, qty)
    SELECT gen_random_uuid(), s.pool_id, p_sale, e.user_id, e.qty FROM draw_entries e
    WHERE e.sale_id = p_sale AND e.rank IS NOT NULL AND e.reservation_id IS NULL
    ORDER BY e.rank LIMIT p_line;
    RETURN true;
END
$$;

CREATE OR REPLACE FUNCTION enter_draw_batch(
    p_sale uuid, p_ids uuid[], p_users uuid[], p_qty integer[],
    OUT outcomes smallint[], OUT is_withdrawn boolean[], OUT now_ms bigint, OUT opens_at bigint
)
LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
    closes_at bigint;
    is_drawn boolean;
    x sales%ROWTYPE;
    gate smallint;
    entered uuid[] := '{}';
BEGIN
    SELECT d.entry_closes_at_ms, d.drawn_at_ms IS NOT NULL INTO closes_at, is_drawn
    FROM draws d WHERE d.sale_id = p_sale;
    now_ms := clock_ms();
    IF now_ms < closes_at THEN
        SELECT d.drawn_at_ms IS NOT NULL INTO is_drawn
        FROM draws d WHERE d.sale_id = p_sale FOR SHARE;
        now_ms := clock_ms();
    END IF;
    SELECT * INTO x FROM sales s WHERE s.id = p_sale;
    opens_at := x.opens_at_ms;
    gate := CASE
        WHEN x.id IS NULL THEN 3
        WHEN closes_at IS NULL THEN 9
        WHEN x.state IN ('ended', 'cancelled') OR now_ms >= x.ends_at_ms THEN 5
        WHEN is_drawn OR now_ms >= closes_at THEN 8
        WHEN x.state = 'halted' THEN 10
        WHEN now_ms < x.opens_at_ms THEN 4
        ELSE 0 END;
    IF gate = 0 THEN
        -- In one order everywhere, so that two processes with the same buyers never deadlock.
        WITH made AS (
            INSERT INTO draw_entries (id, sale_id, user_id, qty, entered_at_ms)
            SELECT q.id, p_sale, q.user_id, q.qty, now_ms
            FROM unnest(p_ids, p_users, p_qty) AS q (id, user_id, qty)
            WHERE q.qty <= x.per_buyer
            ORDER BY q.user_id
            ON CONFLICT DO NOTHING
            RETURNING draw_entries.id
        )
        SELECT coalesce(array_agg(m.id), '{}') INTO entered FROM made m;
    END IF;
    SELECT array_agg(CASE
            WHEN q.id = ANY (entered) THEN 0
            WHEN e.id IS NOT NULL AND e.qty = q.qty THEN 1
            WHEN e.id IS NOT NULL THEN 2
            WHEN gate <> 0 THEN gate
            WHEN q.qty > x.per_buyer THEN 6
            ELSE 7 END::smallint ORDER BY q.ord),
        array_agg((e.withdrawn_at_ms IS NOT NULL) ORDER BY q.ord)
    INTO outcomes, is_withdrawn
    FROM unnest(p_ids, p_qty) WITH ORDINALITY AS q (id, qty, ord)
    LEFT JOIN draw_entries e ON e.id = q.id;
END
$$;

CREATE OR REPLACE FUNCTION withdraw_draw_entry(p_sale uuid, p_user uuid) RETURNS boolean
LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
    is_open boolean;
BEGIN
    PERFORM 1 FROM draws d WHERE d.sale_id = p_sale AND clock_ms() < d.entry_closes_at_ms;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    SELECT d.drawn_at_ms IS NULL AND clock_ms() < d.entry_closes_at_ms INTO is_open
    FROM draws d WHERE d.sale_id = p_sale FOR SHARE;
    IF is_open IS NOT TRUE THEN
        RETURN false;
    END IF;
    UPDATE draw_entries e SET withdrawn_at_ms = clock_ms()
    WHERE e.sale_id = p_sale AND e.user_id = p_user AND e.withdrawn_at_ms IS NULL;
    RETURN FOUND;
END
$$;
