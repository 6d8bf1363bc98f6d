-- Campaign prices: for a while the whole shop sells a SKU at less than its list price.
--
-- The price holds from `from_ms` to before `until_ms`; a price that is taken back ends earlier.
-- Whoever writes here has locked every room, then the SKU's own pool: whoever reserves holds that
-- pool too, so a unit costs what held at the moment that its batch read, and no SKU has two.
CREATE TABLE campaign_prices (
    id uuid PRIMARY KEY,
    sku text NOT NULL REFERENCES variants (sku),
    price_minor bigint NOT NULL CHECK (price_minor > 0),
    from_ms bigint NOT NULL,
    until_ms bigint NOT NULL,
    guard jsonb,
    request_hash text NOT NULL,
    set_by uuid NOT NULL REFERENCES users (id),
    set_at_ms bigint NOT NULL DEFAULT clock_ms(),
    withdrawn_by uuid REFERENCES users (id),
    withdrawn_at_ms bigint,
    CHECK (until_ms >= from_ms),
    CHECK (until_ms > from_ms OR withdrawn_at_ms IS NOT NULL),
    CHECK ((withdrawn_by IS NULL) = (withdrawn_at_ms IS NULL))
);
CREATE INDEX campaign_prices_of_sku ON campaign_prices (sku, until_ms);
CREATE UNIQUE INDEX campaign_prices_start_once ON campaign_prices (sku, from_ms)
    WHERE until_ms > from_ms;

-- The campaign price of a SKU at a moment, or NULL. A sale whose own price is lower keeps it.
CREATE FUNCTION campaign_price(p_sku text, p_at_ms bigint) RETURNS bigint
LANGUAGE sql STABLE
AS $$
    SELECT min(c.price_minor) FROM campaign_prices c
    WHERE c.sku = p_sku AND c.until_ms > p_at_ms AND c.from_ms <= p_at_ms
$$;

-- The price log has them beside the sales: one row for the start, one for an end before its time.
ALTER TABLE price_log ALTER COLUMN sale_id DROP NOT NULL;
ALTER TABLE price_log ADD COLUMN campaign_price_id uuid;
ALTER TABLE price_log ADD CONSTRAINT price_log_names_its_offer
    CHECK ((sale_id IS NULL) <> (campaign_price_id IS NULL));

CREATE FUNCTION log_campaign_price() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    INSERT INTO price_log (sku, campaign_price_id, price_minor, at_ms)
    VALUES (NEW.sku, NEW.id, CASE TG_OP WHEN 'INSERT' THEN NEW.price_minor END,
        CASE TG_OP WHEN 'INSERT' THEN NEW.from_ms ELSE NEW.until_ms END);
    RETURN NULL;
END
$$;
CREATE TRIGGER campaign_prices_are_logged AFTER INSERT OR UPDATE OF until_ms ON campaign_prices
    FOR EACH ROW EXECUTE FUNCTION log_campaign_price();

-- Serve the waiting list, as in 0012.
--
-- Give free units of a pool to those who wait, in order of arrival; returns how many were given.
-- The caller holds the pool's lock. Who wants more than is free keeps the place and holds nobody
-- up; who may not have it any more is closed. Every offer is a hold, told by the worker.
CREATE OR REPLACE FUNCTION serve_waiting(p_pool uuid, p_now_ms bigint) RETURNS integer
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
    SELECT w.reservation_id, p_pool, w.sale_id, w.user_id, w.qty, CASE x.kind
            WHEN 'regular' THEN least(x.price_minor, campaign_price(x.sku, p_now_ms))
            ELSE x.price_minor END,
        'waiting_list', s.version, row_number() OVER (ORDER BY w.seq), p_now_ms,
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

-- Decide one batch in arrival order, as in 0022.
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
    campaign_minor bigint;
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

-- Decide one cart, as in 0022.
CREATE OR REPLACE FUNCTION reserve_cart(
    p_cart uuid, p_hash text, p_user uuid, p_ids uuid[], p_sales uuid[], p_qty integer[],
    OUT outcomes smallint[], OUT states text[], OUT versions bigint[], OUT prices bigint[],
    OUT shown_until bigint[], OUT opens_at bigint[], OUT available integer[],
    OUT now_ms bigint, OUT expired_ids uuid[], OUT expired_sales uuid[], OUT expired_users uuid[]
)
LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
    pools uuid[];
    item_pools uuid[];
    pool uuid;
    stored_hash text;
    bought integer[];
    per_buyer integer[];
    release_ms bigint[];
    is_all_sold boolean;
    i integer;
BEGIN
    pools := ARRAY(
        SELECT DISTINCT x.pool_id FROM sales x WHERE x.id = ANY (p_sales) ORDER BY x.pool_id
    );
    PERFORM 1 FROM stock s WHERE s.pool_id = ANY (pools) ORDER BY s.pool_id FOR NO KEY UPDATE;
    now_ms := clock_ms();
    SELECT c.request_hash INTO stored_hash FROM carts c WHERE c.id = p_cart;
    IF stored_hash IS NOT NULL THEN
        SELECT array_agg(CASE WHEN stored_hash = p_hash THEN 1 ELSE 2 END::smallint),
            array_agg(r.state ORDER BY q.ord), array_agg(r.version ORDER BY q.ord),
            array_agg(r.unit_price_minor ORDER BY q.ord),
            array_agg(r.shown_until_ms ORDER BY q.ord)
        INTO outcomes, states, versions, prices, shown_until
        FROM unnest(p_ids) WITH ORDINALITY AS q (id, ord) LEFT JOIN reservations r ON r.id = q.id;
        RETURN;
    END IF;
    FOREACH pool IN ARRAY pools LOOP
        SELECT expired_ids || array_agg(e.id), expired_sales || array_agg(e.sale_id),
            expired_users || array_agg(e.user_id)
        INTO expired_ids, expired_sales, expired_users
        FROM expire_due(pool) e;
        now_ms := clock_ms();
        PERFORM serve_waiting(pool, now_ms);
    END LOOP;
    SELECT array_agg(x.pool_id ORDER BY q.ord),
        array_agg(CASE x.kind
            WHEN 'regular' THEN least(x.price_minor, campaign_price(x.sku, now_ms))
            ELSE x.price_minor END ORDER BY q.ord),
        array_agg(now_ms + x.hold_s * 1000::bigint ORDER BY q.ord),
        array_agg(now_ms + (x.hold_s + x.grace_s) * 1000::bigint ORDER BY q.ord),
        array_agg(coalesce(b.qty, 0) ORDER BY q.ord), array_agg(x.per_buyer ORDER BY q.ord),
        array_agg(x.opens_at_ms ORDER BY q.ord),
        array_agg(k.total - k.claimed ORDER BY q.ord),
        array_agg(CASE
            WHEN x.id IS NULL THEN 3
            WHEN x.state IN ('ended', 'cancelled') THEN 5
            WHEN x.state = 'halted' AND (now_ms < x.ends_at_ms) IS NOT FALSE THEN 10
            WHEN x.opens_at_ms IS NULL OR now_ms < x.opens_at_ms THEN 4
            WHEN now_ms >= x.ends_at_ms THEN 5
            WHEN coalesce(b.qty, 0) + q.qty > x.per_buyer THEN 6
            ELSE 0 END::smallint ORDER BY q.ord)
    INTO item_pools, prices, shown_until, release_ms, bought, per_buyer, opens_at, available,
        outcomes
    FROM unnest(p_sales, p_qty) WITH ORDINALITY AS q (sale_id, qty, ord)
    LEFT JOIN sales x ON x.id = q.sale_id
    LEFT JOIN stock k ON k.pool_id = x.pool_id
    LEFT JOIN sale_buyers b ON b.sale_id = q.sale_id AND b.user_id = p_user;

    FOR i IN 1 .. cardinality(p_sales) LOOP
        CONTINUE WHEN outcomes[i] <> 0;
        -- What the items before this one took of the same pool is not there any more.
        available[i] := available[i] - coalesce((
            SELECT sum(t.qty)
            FROM unnest(item_pools, outcomes, p_qty)
                WITH ORDINALITY AS t (pool_id, outcome, qty, ord)
            WHERE t.ord < i AND t.pool_id = item_pools[i] AND t.outcome = 0
        ), 0);
        IF p_qty[i] > available[i] THEN
            SELECT f.total = f.sold INTO is_all_sold FROM pool_figures f
            WHERE f.pool_id = item_pools[i];
            outcomes[i] := CASE WHEN available[i] > 0 THEN 9 WHEN is_all_sold THEN 7 ELSE 8 END;
        END IF;
    END LOOP;
    IF EXISTS (SELECT 1 FROM unnest(outcomes) AS o (outcome) WHERE o.outcome <> 0) THEN
        RETURN;
    END IF;

    UPDATE stock s SET claimed = s.claimed + t.qty, version = s.version + 1
    FROM (
        SELECT u.pool_id, sum(u.qty) AS qty FROM unnest(item_pools, p_qty) AS u (pool_id, qty)
        GROUP BY u.pool_id
    ) t
    WHERE s.pool_id = t.pool_id;
    INSERT INTO stock_journal (pool_id, version, claimed_delta, total_delta, reason, at_ms)
    SELECT s.pool_id, s.version, t.qty, 0, 'reserved', now_ms
    FROM stock s JOIN (
        SELECT u.pool_id, sum(u.qty) AS qty FROM unnest(item_pools, p_qty) AS u (pool_id, qty)
        GROUP BY u.pool_id
    ) t ON t.pool_id = s.pool_id;
    SELECT array_agg(s.version ORDER BY q.ord) INTO versions
    FROM unnest(item_pools) WITH ORDINALITY AS q (pool_id, ord)
    JOIN stock s ON s.pool_id = q.pool_id;
    INSERT INTO reservations (id, pool_id, sale_id, user_id, qty, unit_price_minor, version, seq,
        decided_at_ms, shown_until_ms, release_at_ms)
    SELECT q.id, q.pool_id, q.sale_id, p_user, q.qty, q.price, q.version, q.ord, now_ms, q.shown,
        q.release
    FROM unnest(p_ids, item_pools, p_sales, p_qty, prices, versions, shown_until, release_ms)
        WITH ORDINALITY AS q (id, pool_id, sale_id, qty, price, version, shown, release, ord);
    INSERT INTO sale_buyers AS b (sale_id, user_id, qty)
    SELECT q.sale_id, p_user, q.qty FROM unnest(p_sales, p_qty) AS q (sale_id, qty)
    ON CONFLICT (sale_id, user_id) DO UPDATE SET qty = b.qty + excluded.qty;
    INSERT INTO carts (id, user_id, request_hash) VALUES (p_cart, p_user, p_hash);
END
$$;
