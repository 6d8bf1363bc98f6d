-- The waiting list: who comes next when units of a pool come free, and the offers they get.
--
-- Entries change under their pool's lock alone, but for `bought`, which follows a paid reservation.
-- `commerce/goods/waiting_list/rules.py` holds the same decision as a pure function; a test
-- compares.

ALTER TABLE sales ADD COLUMN offer_s integer NOT NULL DEFAULT 90
    CHECK (offer_s BETWEEN 30 AND 300);

CREATE TABLE waiting_list (
    id uuid PRIMARY KEY,
    pool_id uuid NOT NULL,
    sale_id uuid NOT NULL REFERENCES sales (id),
    user_id uuid NOT NULL,
    qty integer NOT NULL CHECK (qty > 0),
    seq bigint GENERATED ALWAYS AS IDENTITY,
    state text NOT NULL DEFAULT 'waiting' CHECK (
        state IN ('waiting', 'offered', 'bought', 'passed', 'missed', 'left', 'closed')
    ),
    reason text CHECK (reason IN ('ended', 'sold_out', 'limit_reached')),
    reservation_id uuid,
    created_at_ms bigint NOT NULL DEFAULT clock_ms(),
    is_told boolean NOT NULL DEFAULT true,
    CHECK ((state = 'closed') = (reason IS NOT NULL)),
    CHECK ((state IN ('offered', 'bought', 'passed', 'missed')) = (reservation_id IS NOT NULL))
) WITH (fillfactor = 80);
CREATE UNIQUE INDEX waiting_list_one_live ON waiting_list (sale_id, user_id)
    WHERE state IN ('waiting', 'offered');
CREATE UNIQUE INDEX waiting_list_offers ON waiting_list (reservation_id)
    WHERE reservation_id IS NOT NULL;
CREATE INDEX waiting_list_line ON waiting_list (pool_id, seq) WHERE state = 'waiting';
-- Says without a walk along the line whether anybody wants as little as is free.
CREATE INDEX waiting_list_fit ON waiting_list (pool_id, qty) WHERE state = 'waiting';
CREATE INDEX waiting_list_live ON waiting_list (pool_id, state)
    WHERE state IN ('waiting', 'offered');
CREATE INDEX waiting_list_of_pool ON waiting_list (pool_id);
CREATE INDEX waiting_list_of_user ON waiting_list (user_id)
    WHERE state IN ('waiting', 'offered');
CREATE INDEX waiting_list_untold ON waiting_list (seq) WHERE NOT is_told;

-- How many wait for a pool, how many have an offer, and whether anybody ever waited.
CREATE VIEW pool_waiting AS
SELECT k.pool_id, line.waiting, line.offered,
    EXISTS (SELECT 1 FROM waiting_list w WHERE w.pool_id = k.pool_id) AS has_list
FROM stock k
CROSS JOIN LATERAL (
    SELECT count(*) FILTER (WHERE w.state = 'waiting')::integer AS waiting,
        count(*) FILTER (WHERE w.state = 'offered')::integer AS offered
    FROM waiting_list w WHERE w.pool_id = k.pool_id AND w.state IN ('waiting', 'offered')
) line;

-- Give free units of a pool to those who wait, in order of arrival; returns how many were given.
-- The caller holds the pool's lock. Who wants more than is free keeps the place and holds nobody
-- up; who may not have it any more is closed. Every offer is a hold, told by the worker.
CREATE FUNCTION serve_waiting(p_pool uuid, p_now_ms bigint) RETURNS integer
LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
    s stock%ROWTYPE;
    entry record;
    free integer;
    won integer := 0;
    served uuid[] := '{}';
    closed uuid[] := '{}';
    reasons text[] := '{}';
BEGIN
    SELECT * INTO s FROM stock WHERE stock.pool_id = p_pool;
    free := s.total - s.claimed;
    IF NOT EXISTS (
        SELECT 1 FROM waiting_list w
        WHERE w.pool_id = p_pool AND w.state = 'waiting' AND w.qty <= free
    ) THEN
        RETURN 0;
    END IF;
    FOR entry IN
        SELECT w.id, w.qty, x.state, x.ends_at_ms, x.per_buyer, coalesce(b.qty, 0) AS bought
        FROM waiting_list w
        JOIN sales x ON x.id = w.sale_id
        LEFT JOIN sale_buyers b ON b.sale_id = w.sale_id AND b.user_id = w.user_id
        WHERE w.pool_id = p_pool AND w.state = 'waiting' AND w.qty <= free
        ORDER BY w.seq
    LOOP
        EXIT WHEN free = 0;
        IF entry.state IN ('ended', 'cancelled') OR p_now_ms >= entry.ends_at_ms THEN
            closed := closed || entry.id;
            reasons := reasons || 'ended'::text;
        ELSIF entry.state NOT IN ('open', 'sold_out', 'armed') THEN
            CONTINUE;
        ELSIF entry.bought + entry.qty > entry.per_buyer THEN
            closed := closed || entry.id;
            reasons := reasons || 'limit_reached'::text;
        ELSIF entry.qty <= free THEN
            served := served || entry.id;
            free := free - entry.qty;
            won := won + entry.qty;
        END IF;
    END LOOP;
    UPDATE waiting_list w SET state = 'closed', reason = c.reason, is_told = false
    FROM unnest(closed, reasons) AS c (id, reason) WHERE w.id = c.id;
    IF won = 0 THEN
        RETURN 0;
    END IF;
    s.version := s.version + 1;
    UPDATE waiting_list w
    SET state = 'offered', reservation_id = gen_random_uuid(), is_told = false
    WHERE w.id = ANY (served);
    INSERT INTO reservations (id, pool_id, sale_id, user_id, qty, unit_price_minor, origin,
        version, seq, decided_at_ms, shown_until_ms, release_at_ms)
    SELECT w.reservation_id, p_pool, w.sale_id, w.user_id, w.qty, x.price_minor, 'waiting_list',
        s.version, row_number() OVER (ORDER BY w.seq), p_now_ms,
        p_now_ms + x.offer_s * 1000::bigint, p_now_ms + (x.offer_s + x.grace_s) * 1000::bigint
    FROM waiting_list w JOIN sales x ON x.id = w.sale_id WHERE w.id = ANY (served);
    INSERT INTO sale_buyers AS b (sale_id, user_id, qty)
    SELECT w.sale_id, w.user_id, w.qty FROM waiting_list w WHERE w.id = ANY (served)
    ON CONFLICT (sale_id, user_id) DO UPDATE SET qty = b.qty + excluded.qty;
    UPDATE stock SET claimed = stock.claimed + won, version = s.version
    WHERE stock.pool_id = p_pool;
    INSERT INTO stock_journal (pool_id, version, claimed_delta, total_delta, reason, at_ms)
    VALUES (p_pool, s.version, won, 0, 'offered', p_now_ms);
    RETURN won;
END
$$;

-- Change what a pool has, with its journal row; what is added serves the waiting list first.
-- The caller holds the pool's lock. Returns how many units went to those who wait.
CREATE FUNCTION change_total(p_pool uuid, p_delta integer, p_reason text) RETURNS integer
LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
    now_ms bigint := clock_ms();
BEGIN
    UPDATE stock s SET total = s.total + p_delta, version = s.version + 1
    WHERE s.pool_id = p_pool;
    INSERT INTO stock_journal (pool_id, version, claimed_delta, total_delta, reason, at_ms)
    SELECT s.pool_id, s.version, 0, p_delta, p_reason, now_ms FROM stock s
    WHERE s.pool_id = p_pool;
    RETURN serve_waiting(p_pool, now_ms);
END
$$;

-- Close the entries of a pool that nothing can come for any more, and serve the others; takes the
-- pool's lock itself. It makes good what no event told: an end that time brought, a last payment.
CREATE FUNCTION tend_waiting(p_pool uuid) RETURNS void
LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
    now_ms bigint;
    is_all_sold boolean;
BEGIN
    PERFORM 1 FROM stock s WHERE s.pool_id = p_pool FOR NO KEY UPDATE;
    now_ms := clock_ms();
    PERFORM serve_waiting(p_pool, now_ms);
    SELECT f.total = f.sold INTO is_all_sold FROM pool_figures f WHERE f.pool_id = p_pool;
    UPDATE waiting_list w SET state = 'closed', is_told = false,
        reason = CASE WHEN x.state IN ('ended', 'cancelled') OR x.ends_at_ms <= now_ms
            THEN 'ended' ELSE 'sold_out' END
    FROM sales x
    WHERE x.id = w.sale_id AND w.pool_id = p_pool AND w.state = 'waiting'
      AND (is_all_sold OR x.state IN ('ended', 'cancelled') OR x.ends_at_ms <= now_ms);
END
$$;

-- Return to the pool what the named reservations hold, when they still are in one of `p_from`.
-- The caller holds the pool's lock; rows another transaction has in hand are skipped. What comes
-- free goes to the waiting list at once, so nobody else ever sees it.
CREATE OR REPLACE FUNCTION free_reservations(
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
    UPDATE waiting_list w SET state = CASE p_to WHEN 'expired' THEN 'missed' ELSE 'passed' END
    WHERE w.reservation_id = ANY (freed_ids) AND w.state = 'offered';
    PERFORM serve_waiting(p_pool, p_now_ms);
    RETURN QUERY SELECT * FROM unnest(freed_ids, freed_sales, freed_users, freed_qty);
END
$$;

-- The waiting list has what is free before any press of the batch.
-- Decide one batch in arrival order. Arrays are parallel; no two requests of a batch have the
-- same id or the same buyer in the same sale (the batcher sees to it, the keys enforce it).
-- Outcomes: 0 reserved, 1 replayed, 2 conflict, 3 no such sale, 4 not_open, 5 ended,
-- 6 limit_reached, 7 sold_out, 8 held_out, 9 not_enough_left, 10 halted.
CREATE OR REPLACE FUNCTION reserve_batch(
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
    IF s.total > s.claimed AND EXISTS (
        SELECT 1 FROM waiting_list w WHERE w.pool_id = p_pool AND w.state = 'waiting'
    ) THEN
        PERFORM serve_waiting(p_pool, now_ms);
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
