-- Group buys: teams of N within a time, on the reservation core.
--
-- A campaign is a sale of kind `group` with a pool of its own; a seat is a reservation of one unit
-- that names its team. Whoever changes a team holds its pool's lock, then the team's row; teams in
-- the order of their ids, after stock and before reservations. So no two teams can wait for each
-- other. `commerce/sales/group_buys/rules.py` holds the same decision as a pure function; a test
-- compares.

ALTER TABLE sales DROP CONSTRAINT sales_kind_check;
ALTER TABLE sales ADD CONSTRAINT sales_kind_check CHECK (kind IN ('regular', 'flash', 'group'));
CREATE INDEX sales_in_groups ON sales (show_id) WHERE kind = 'group';

-- Money that is granted for a seat waits for the team; nothing is captured, nothing ships.
ALTER TABLE orders DROP CONSTRAINT orders_state_check;
ALTER TABLE orders ADD CONSTRAINT orders_state_check CHECK (
    state IN ('awaiting_payment', 'awaiting_group', 'paid', 'cancelled', 'expired', 'refunded')
);
CREATE INDEX orders_in_groups ON orders (created_at_ms) WHERE state = 'awaiting_group';
-- When the money of a formed team's member could not be taken; there is one such chance.
ALTER TABLE orders ADD COLUMN capture_failed_at_ms bigint;

CREATE TABLE group_campaigns (
    sale_id uuid PRIMARY KEY REFERENCES sales (id),
    need integer NOT NULL CHECK (need BETWEEN 2 AND 100),
    lasts_ms bigint NOT NULL CHECK (lasts_ms BETWEEN 1000 AND 432000000)
);

-- `joined` counts seats that are held or paid, `paid` those with money; both are as they were at
-- the end once the team has ended, but for members of a completed team who paid a little later.
CREATE TABLE buy_groups (
    id uuid PRIMARY KEY,
    sale_id uuid NOT NULL REFERENCES group_campaigns (sale_id),
    pool_id uuid NOT NULL,
    need integer NOT NULL,
    joined integer NOT NULL,
    paid integer NOT NULL DEFAULT 0,
    state text NOT NULL DEFAULT 'forming' CHECK (state IN ('forming', 'formed', 'failed')),
    leader_id uuid NOT NULL,
    opened_at_ms bigint NOT NULL,
    deadline_ms bigint NOT NULL,
    ended_at_ms bigint,
    reason text CHECK (reason IN ('deadline', 'empty', 'cancelled')),
    completed_by uuid,
    CONSTRAINT buy_groups_never_overfull CHECK (joined BETWEEN 0 AND need),
    CONSTRAINT buy_groups_paid_are_members CHECK (paid BETWEEN 0 AND joined),
    CHECK ((state = 'forming') = (ended_at_ms IS NULL)),
    CHECK ((state = 'failed') = (reason IS NOT NULL)),
    CHECK (state = 'formed' OR completed_by IS NULL),
    CONSTRAINT buy_groups_formed_are_whole
        CHECK (state <> 'formed' OR paid = need OR completed_by IS NOT NULL),
    -- The shortest card authorisation lives that long; it runs from the team's own opening.
    CHECK (deadline_ms > opened_at_ms AND deadline_ms - opened_at_ms <= 432000000)
) WITH (fillfactor = 70);
CREATE INDEX buy_groups_open ON buy_groups (sale_id, deadline_ms, id) INCLUDE (need, joined)
    WHERE state = 'forming' AND joined < need;
CREATE INDEX buy_groups_due ON buy_groups (deadline_ms) WHERE state = 'forming';
CREATE INDEX buy_groups_of_sale ON buy_groups (sale_id, opened_at_ms);
CREATE INDEX buy_groups_of_pool ON buy_groups (pool_id);

ALTER TABLE reservations ADD COLUMN group_id uuid;
-- When the money of a seat was granted; from then on the team keeps it, not a clock.
ALTER TABLE reservations ADD COLUMN seated_at_ms bigint;
CREATE INDEX reservations_of_group ON reservations (group_id) WHERE group_id IS NOT NULL;
-- One open team a buyer and campaign, and nobody twice in one.
CREATE UNIQUE INDEX reservations_one_open_seat ON reservations (sale_id, user_id)
    WHERE group_id IS NOT NULL AND state IN ('held', 'paying');

-- Take seats that were freed out of their teams: the earliest of those who stay leads, an empty
-- team has failed, and one that has ended stays as it was. The caller holds the pool's lock.
CREATE FUNCTION leave_groups(p_freed uuid[], p_now_ms bigint) RETURNS void
LANGUAGE plpgsql VOLATILE
AS $$
BEGIN
    PERFORM 1 FROM buy_groups g
    WHERE g.id IN (SELECT r.group_id FROM reservations r WHERE r.id = ANY (p_freed))
    ORDER BY g.id FOR NO KEY UPDATE;
    UPDATE buy_groups g SET joined = g.joined - f.seats, paid = g.paid - f.paid,
        leader_id = coalesce((
            SELECT r.user_id FROM reservations r
            WHERE r.group_id = g.id AND r.state IN ('held', 'paying')
            ORDER BY r.user_id = g.leader_id DESC, r.version, r.seq LIMIT 1
        ), g.leader_id),
        state = CASE WHEN g.joined = f.seats THEN 'failed' ELSE g.state END,
        ended_at_ms = CASE WHEN g.joined = f.seats THEN p_now_ms END,
        reason = CASE WHEN g.joined = f.seats THEN 'empty' END
    FROM (
        SELECT r.group_id, count(*)::integer AS seats,
            (count(*) FILTER (WHERE r.seated_at_ms IS NOT NULL))::integer AS paid
        FROM reservations r WHERE r.id = ANY (p_freed) AND r.group_id IS NOT NULL
        GROUP BY r.group_id
    ) f
    WHERE g.id = f.group_id AND g.state = 'forming';
END
$$;

-- As before, and freed seats leave their teams.
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
    seats integer;
BEGIN
    WITH mine AS (
        SELECT r.id FROM reservations r
        WHERE r.id = ANY (p_ids) AND r.pool_id = p_pool AND r.state = ANY (p_from)
        ORDER BY r.id
        FOR UPDATE SKIP LOCKED
    ), changed AS (
        UPDATE reservations r SET state = p_to FROM mine WHERE r.id = mine.id
        RETURNING r.id, r.sale_id, r.user_id, r.qty, r.group_id
    )
    SELECT array_agg(c.id), array_agg(c.sale_id), array_agg(c.user_id), array_agg(c.qty),
        sum(c.qty), count(c.group_id)
    INTO freed_ids, freed_sales, freed_users, freed_qty, freed, seats
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
    IF seats > 0 THEN
        PERFORM leave_groups(freed_ids, p_now_ms);
    END IF;
    UPDATE waiting_list w SET state = CASE p_to WHEN 'expired' THEN 'missed' ELSE 'passed' END
    WHERE w.reservation_id = ANY (freed_ids) AND w.state = 'offered';
    PERFORM serve_waiting(p_pool, p_now_ms);
    RETURN QUERY SELECT * FROM unnest(freed_ids, freed_sales, freed_users, freed_qty);
END
$$;

-- Units of a campaign that its open teams still need: nobody else may have them.
CREATE FUNCTION promised_to_groups(p_sale uuid) RETURNS integer
LANGUAGE sql STABLE
AS $$
    SELECT coalesce(sum(g.need - g.joined), 0)::integer FROM buy_groups g
    WHERE g.sale_id = p_sale AND g.state = 'forming' AND g.joined < g.need
$$;

-- Decide one batch of wishes for seats in arrival order. Arrays are parallel; no two wishes of a
-- batch have the same id or the same buyer. A wish is 0: any team, the one soonest to end first,
-- else a new one; 1: the named team; 2: a new one. A team is opened only when all of its seats can
-- be had, so every open team can be filled. The opener is bound by the campaign's window, whoever
-- joins by the team's.
-- Outcomes: 0 joined, 1 replayed, 2 conflict, 3 no such sale, 4 not_open, 5 ended,
-- 6 limit_reached, 7 sold_out, 8 held_out, 9 already_in_group, 10 halted, 11 group_full,
-- 12 group_over, 13 no such group.
CREATE FUNCTION join_group_batch(
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
    were_open uuid[];
    open_left integer[];
    open_deadlines bigint[];
    open_leaders uuid[];
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
    -- A team that was opened in time goes on until its own deadline.
    is_joinable := sale_window = 0 OR (sale_window = 5 AND x.state NOT IN ('cancelled', 'halted'));

    PERFORM 1 FROM buy_groups g WHERE g.id IN (
        SELECT o.id FROM (
            SELECT b.id FROM buy_groups b
            WHERE b.sale_id = p_sale AND b.state = 'forming' AND b.joined < b.need
              AND b.deadline_ms > now_ms
            ORDER BY b.deadline_ms, b.id LIMIT cardinality(p_ids)
        ) o UNION SELECT unnest(p_groups)
    ) ORDER BY g.id FOR NO KEY UPDATE;
    SELECT array_agg(o.id ORDER BY o.deadline_ms, o.id),
        array_agg(o.need - o.joined ORDER BY o.deadline_ms, o.id),
        array_agg(o.deadline_ms ORDER BY o.deadline_ms, o.id),
        array_agg(o.leader_id ORDER BY o.deadline_ms, o.id)
    INTO open_ids, open_left, open_deadlines, open_leaders
    FROM (
        (SELECT b.id, b.need, b.joined, b.deadline_ms, b.leader_id FROM buy_groups b
        WHERE b.sale_id = p_sale AND b.state = 'forming' AND b.joined < b.need
          AND b.deadline_ms > now_ms
        ORDER BY b.deadline_ms, b.id LIMIT cardinality(p_ids))
        UNION
        SELECT b.id, b.need, b.joined, b.deadline_ms, b.leader_id FROM buy_groups b
        WHERE b.id = ANY (p_groups) AND b.sale_id = p_sale AND b.state = 'forming'
          AND b.joined < b.need AND b.deadline_ms > now_ms
    ) o;
    open_ids := coalesce(open_ids, '{}');
    open_left := coalesce(open_left, '{}');
    open_deadlines := coalesce(open_deadlines, '{}');
    open_leaders := coalesce(open_leaders, '{}');
    known := cardinality(open_ids);
    were_open := open_ids;

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
    -- LIMIT keeps each a look-up of its own: joined flat, all of the sale was read for each wish.
    LEFT JOIN LATERAL (
        SELECT m.qty FROM sale_buyers m
        WHERE m.sale_id = p_sale AND m.user_id = q.user_id LIMIT 1
    ) b ON true
    LEFT JOIN LATERAL (
        SELECT m.id FROM reservations m
        WHERE m.sale_id = p_sale AND m.user_id = q.user_id AND m.group_id IS NOT NULL
          AND m.state IN ('held', 'paying') LIMIT 1
    ) o ON true
    LEFT JOIN LATERAL (
        SELECT m.state, m.deadline_ms FROM buy_groups m
        WHERE m.id = q.group_id AND m.sale_id = p_sale LIMIT 1
    ) g ON true;

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
            open_leaders := open_leaders || p_users[i];
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
        FROM unnest(open_ids, open_left, open_deadlines, open_leaders)
            WITH ORDINALITY AS q (id, left_over, deadline_ms, leader_id, ord)
        WHERE q.ord > known;
        UPDATE buy_groups g SET joined = g.joined + f.seats
        FROM (
            SELECT q.id, count(*)::integer AS seats
            FROM unnest(group_ids, outcomes) AS q (id, outcome)
            WHERE q.outcome = 0 GROUP BY q.id
        ) f
        WHERE g.id = f.id AND f.id = ANY (were_open);
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

-- A team that changes is looked at with its pool; seats mark it too, as every reservation does.
CREATE FUNCTION audit_mark_groups() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    INSERT INTO audit_marks (pool_id) SELECT DISTINCT c.pool_id FROM changed c;
    RETURN NULL;
END
$$;
CREATE TRIGGER audit_groups_made AFTER INSERT ON buy_groups
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION audit_mark_groups();
CREATE TRIGGER audit_groups_changed AFTER UPDATE ON buy_groups
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION audit_mark_groups();
CREATE TRIGGER audit_groups_gone AFTER DELETE ON buy_groups
    REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION audit_mark_groups();
