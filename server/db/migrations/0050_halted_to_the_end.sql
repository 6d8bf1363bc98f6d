-- What ends while it is halted stays stopped: its teams, which may have days left, take nobody any more.
--
-- The clock, or the show's end, made a halted campaign one that is ended; whose teams go on. The host
-- could not stop it again, for what is over is neither halted nor cancelled. `halted_from` says that a
-- sale is halted, or was when it ended; nothing but letting it go on clears it.

-- Decide one batch of wishes for seats in arrival order. Arrays are parallel; no two wishes of a
-- batch have the same id or the same buyer. A wish is 0: any team, the one soonest to end first,
-- else a new one; 1: the named team; 2: a new one. A team is opened only when all of its seats can
-- be had, so every open team can be filled. The opener is bound by the campaign's window, whoever
-- joins by the team's. A campaign that is halted, or was when it ended, takes nobody.
-- Outcomes: 0 joined, 1 replayed, 2 conflict, 3 no such sale, 4 not_open, 5 ended,
-- 6 limit_reached, 7 sold_out, 8 held_out, 9 already_in_group, 10 halted, 11 group_full,
-- 12 group_over, 13 no such group.
CREATE OR REPLACE FUNCTION join_group_batch(
    p_pool uuid, p_sale uuid, p_ids uuid[], p_users uuid[], p_wishes smallint[], p_groups uuid[],
    OUT outcomes smallint[], OUT states text[], OUT group_ids uuid[], OUT versions bigint[],
    OUT prices bigint[], OUT shown_until bigint[],
    OUT now_ms bigint, OUT pool_version bigint, OUT available integer,
    OUT expired_ids uuid[], OUT expired_sales uuid[], OUT expired_users uuid[]
)
LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
    s stock%ROWTYPE;
    x sales%ROWTYPE;
    c group_campaigns%ROWTYPE;
    sale_window smallint;
    is_joinable boolean;
    bought integer[];
    is_seated boolean[];
    named_states text[];
    named_deadlines bigint[];
    open_ids uuid[];
    open_left integer[];
    were_left integer[];
    open_deadlines bigint[];
    new_leaders uuid[] := '{}';
    known integer;
    cur integer := 1;
    k integer;
    i integer;
    won integer := 0;
    free integer;
    promised integer;
    sold integer;
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
    SELECT * INTO x FROM sales WHERE sales.id = p_sale AND sales.pool_id = p_pool;
    SELECT * INTO c FROM group_campaigns g WHERE g.sale_id = p_sale;
    sale_window := CASE
        WHEN x.id IS NULL OR c.sale_id IS NULL THEN 3
        WHEN x.state IN ('ended', 'cancelled') THEN 5
        WHEN x.state = 'halted' AND now_ms < x.ends_at_ms THEN 10
        WHEN x.opens_at_ms IS NULL OR now_ms < x.opens_at_ms THEN 4
        WHEN now_ms >= x.ends_at_ms THEN 5
        ELSE 0 END;
    -- A team that was opened in time goes on until its own deadline, unless the host stopped that.
    is_joinable := sale_window = 0
        OR (sale_window = 5 AND x.state <> 'cancelled' AND x.halted_from IS NULL);

    -- Whoever names a team, or wants a new one, needs no list of open ones. A link that names
    -- another sale's team locks nothing: its row is guarded by another pool's lock.
    SELECT array_agg(o.id ORDER BY o.deadline_ms, o.id),
        array_agg(o.need - o.joined ORDER BY o.deadline_ms, o.id),
        array_agg(o.deadline_ms ORDER BY o.deadline_ms, o.id)
    INTO open_ids, open_left, open_deadlines
    FROM (
        SELECT g.id, g.need, g.joined, g.state, g.deadline_ms FROM buy_groups g
        WHERE g.id = ANY (ARRAY(
            (SELECT b.id FROM buy_groups b
            WHERE b.sale_id = p_sale AND b.state = 'forming' AND b.joined < b.need
              AND b.deadline_ms > now_ms
            ORDER BY b.deadline_ms, b.id
            LIMIT CASE WHEN 0 = ANY (p_wishes) THEN cardinality(p_ids) ELSE 0 END)
            UNION
            SELECT m.id FROM unnest(p_groups) AS w (id)
            CROSS JOIN LATERAL (
                SELECT n.id, n.sale_id FROM buy_groups n WHERE n.id = w.id LIMIT 1
            ) m WHERE m.sale_id = p_sale
        ))
        ORDER BY g.id FOR NO KEY UPDATE OFFSET 0
    ) o
    WHERE o.state = 'forming' AND o.joined < o.need AND o.deadline_ms > now_ms;
    open_ids := coalesce(open_ids, '{}');
    open_left := coalesce(open_left, '{}');
    open_deadlines := coalesce(open_deadlines, '{}');
    were_left := open_left;
    known := cardinality(open_ids);

    SELECT array_agg(r.state ORDER BY q.ord), array_agg(r.group_id ORDER BY q.ord),
        array_agg(r.version ORDER BY q.ord),
        array_agg(coalesce(r.unit_price_minor, x.price_minor) ORDER BY q.ord),
        array_agg(r.shown_until_ms ORDER BY q.ord),
        array_agg(coalesce(b.qty, 0) ORDER BY q.ord), array_agg(o.id IS NOT NULL ORDER BY q.ord),
        array_agg(g.state ORDER BY q.ord), array_agg(g.deadline_ms ORDER BY q.ord)
    INTO states, group_ids, versions, prices, shown_until, bought, is_seated, named_states,
        named_deadlines
    FROM unnest(p_ids, p_users, p_groups) WITH ORDINALITY AS q (id, user_id, group_id, ord)
    LEFT JOIN reservations r ON r.id = q.id
    -- LIMIT keeps each a look-up of its own, and a team's is by its id alone. Only who has units of
    -- the sale can sit in one of its teams.
    LEFT JOIN LATERAL (
        SELECT m.qty FROM sale_buyers m
        WHERE m.sale_id = p_sale AND m.user_id = q.user_id LIMIT 1
    ) b ON true
    LEFT JOIN LATERAL (
        SELECT m.id FROM reservations m
        WHERE b.qty > 0 AND m.sale_id = p_sale AND m.user_id = q.user_id AND m.group_id IS NOT NULL
          AND m.state IN ('held', 'paying') AND m.reopened_at_ms IS NULL LIMIT 1
    ) o ON true
    LEFT JOIN LATERAL (
        SELECT m.sale_id, m.state, m.deadline_ms FROM buy_groups m
        WHERE m.id = q.group_id LIMIT 1
    ) g ON g.sale_id = p_sale;

    free := s.total - s.claimed;
    promised := promised_to_groups(p_sale);
    outcomes := array_fill(0::smallint, ARRAY[cardinality(p_ids)]);
    FOR i IN 1 .. cardinality(p_ids) LOOP
        k := NULL;
        IF states[i] IS NOT NULL THEN
            outcomes[i] := CASE WHEN p_wishes[i] = 1 AND group_ids[i] IS DISTINCT FROM p_groups[i]
                THEN 2 ELSE 1 END;
            CONTINUE;
        ELSIF sale_window IN (3, 4, 10) OR NOT is_joinable THEN
            outcomes[i] := sale_window;
            CONTINUE;
        ELSIF is_seated[i] THEN
            outcomes[i] := 9;
            CONTINUE;
        ELSIF x.per_buyer IS NOT NULL AND bought[i] + 1 > x.per_buyer THEN
            outcomes[i] := 6;
            CONTINUE;
        ELSIF p_wishes[i] = 1 THEN
            k := array_position(open_ids, p_groups[i]);
            IF k IS NULL OR open_left[k] = 0 THEN
                outcomes[i] := CASE
                    WHEN named_states[i] IS NULL THEN 13
                    WHEN named_states[i] = 'failed' THEN 12
                    WHEN named_states[i] = 'formed' THEN 11
                    WHEN named_deadlines[i] <= now_ms THEN 12
                    ELSE 11 END;
                CONTINUE;
            END IF;
        ELSIF p_wishes[i] = 0 THEN
            WHILE cur <= cardinality(open_ids) AND open_left[cur] = 0 LOOP
                cur := cur + 1;
            END LOOP;
            IF cur <= cardinality(open_ids) THEN
                k := cur;
            END IF;
        END IF;
        IF k IS NULL THEN
            IF sale_window <> 0 THEN
                outcomes[i] := sale_window;
                CONTINUE;
            ELSIF free - promised < c.need THEN
                outcomes[i] := 8;
                CONTINUE;
            END IF;
            k := cardinality(open_ids) + 1;
            open_ids := open_ids || gen_random_uuid();
            open_left := open_left || c.need;
            open_deadlines := open_deadlines || (now_ms + c.lasts_ms);
            new_leaders := new_leaders || p_users[i];
            promised := promised + c.need;
        END IF;
        open_left[k] := open_left[k] - 1;
        promised := promised - 1;
        free := free - 1;
        won := won + 1;
        group_ids[i] := open_ids[k];
        shown_until[i] := least(now_ms + x.hold_s * 1000::bigint, open_deadlines[k]);
    END LOOP;

    IF 8 = ANY (outcomes) AND promised = 0 THEN
        SELECT coalesce(sum(r.qty), 0) INTO sold
        FROM reservations r WHERE r.pool_id = p_pool AND r.state = 'sold';
        IF sold = s.claimed AND won = 0 THEN
            outcomes := ARRAY(
                SELECT CASE WHEN o.v = 8 THEN 7 ELSE o.v END::smallint
                FROM unnest(outcomes) WITH ORDINALITY AS o (v, ord) ORDER BY o.ord
            );
        END IF;
    END IF;

    IF won > 0 THEN
        s.version := s.version + 1;
        INSERT INTO buy_groups (id, sale_id, pool_id, need, joined, leader_id, opened_at_ms,
            deadline_ms)
        SELECT q.id, p_sale, p_pool, c.need, c.need - q.left_over, q.leader_id, now_ms,
            q.deadline_ms
        FROM unnest(open_ids[known + 1 :], open_left[known + 1 :], open_deadlines[known + 1 :],
            new_leaders) AS q (id, left_over, deadline_ms, leader_id);
        UPDATE buy_groups g SET joined = g.joined + q.was_left - q.left_over
        FROM unnest(open_ids[: known], were_left, open_left[: known])
            AS q (id, was_left, left_over)
        WHERE g.id = q.id AND q.left_over < q.was_left;
        INSERT INTO reservations (id, pool_id, sale_id, user_id, qty, unit_price_minor, origin,
            group_id, version, seq, decided_at_ms, shown_until_ms, release_at_ms)
        SELECT q.id, p_pool, p_sale, q.user_id, 1, x.price_minor, 'group', q.group_id, s.version,
            q.ord, now_ms, q.shown, q.shown + x.grace_s * 1000::bigint
        FROM unnest(p_ids, p_users, group_ids, shown_until, outcomes)
            WITH ORDINALITY AS q (id, user_id, group_id, shown, outcome, ord)
        WHERE q.outcome = 0;
        INSERT INTO sale_buyers AS b (sale_id, user_id, qty)
        SELECT p_sale, q.user_id, 1
        FROM unnest(p_users, outcomes) AS q (user_id, outcome) WHERE q.outcome = 0
        ON CONFLICT (sale_id, user_id) DO UPDATE SET qty = b.qty + 1;
        UPDATE stock SET claimed = stock.claimed + won, version = s.version
        WHERE stock.pool_id = p_pool;
        INSERT INTO stock_journal (pool_id, version, claimed_delta, total_delta, reason, at_ms)
        VALUES (p_pool, s.version, won, 0, 'reserved', now_ms);
    END IF;
    pool_version := s.version;
    available := free;
END
$$;
