-- Coupons: what one takes off (immutable once made), how many are dropped into a room at a set moment,
-- and who has claimed one. A claim is locked by an order, used when it is paid, and comes back when
-- the order ends unpaid or all of its money goes back.
--
-- Lock order: ... reservation, buyer, drop, coupon, claim, the room's log head. A claim takes the
-- drop's lock alone, an order those of the coupon and the claim.

CREATE TABLE coupons (
    id uuid PRIMARY KEY,
    room_id uuid NOT NULL REFERENCES rooms (id),
    title text NOT NULL CHECK (char_length(title) BETWEEN 1 AND 60),
    title_zh text CHECK (char_length(title_zh) BETWEEN 1 AND 60),
    amount_minor bigint NOT NULL DEFAULT 0 CHECK (amount_minor >= 0),
    percent integer NOT NULL DEFAULT 0 CHECK (percent BETWEEN 0 AND 99),
    max_minor bigint CHECK (max_minor > 0),
    threshold_minor bigint NOT NULL DEFAULT 0 CHECK (threshold_minor >= 0),
    skus text[] NOT NULL DEFAULT '{}',
    sources text[] NOT NULL,
    currency text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    valid_s integer NOT NULL CHECK (valid_s > 0),
    per_person integer NOT NULL CHECK (per_person > 0),
    -- How many may be given out in all, and how many drops have of that.
    quantity integer NOT NULL CHECK (quantity > 0),
    granted integer NOT NULL DEFAULT 0,
    -- What may be taken off in all, and what locked and used claims take.
    budget_minor bigint CHECK (budget_minor > 0),
    spent_minor bigint NOT NULL DEFAULT 0,
    request_hash text NOT NULL,
    created_at_ms bigint NOT NULL DEFAULT clock_ms(),
    CHECK ((amount_minor > 0) <> (percent > 0)),
    CHECK (granted BETWEEN 0 AND quantity),
    CHECK (spent_minor >= 0 AND (budget_minor IS NULL OR spent_minor <= budget_minor))
) WITH (fillfactor = 70);
CREATE INDEX coupons_of_room ON coupons (room_id, created_at_ms);

CREATE TABLE coupon_drops (
    id uuid PRIMARY KEY,
    coupon_id uuid NOT NULL REFERENCES coupons (id),
    room_id uuid NOT NULL REFERENCES rooms (id),
    show_id uuid NOT NULL REFERENCES shows (id),
    state text NOT NULL CHECK (state IN ('armed', 'open', 'gone', 'ended', 'cancelled')),
    quantity integer NOT NULL CHECK (quantity >= 0),
    claimed integer NOT NULL DEFAULT 0,
    version bigint NOT NULL DEFAULT 0,
    opens_at_ms bigint NOT NULL,
    ends_at_ms bigint NOT NULL,
    min_age_s integer NOT NULL CHECK (min_age_s >= 0),
    rules jsonb,
    request_hash text NOT NULL,
    created_at_ms bigint NOT NULL DEFAULT clock_ms(),
    CHECK (claimed BETWEEN 0 AND quantity),
    CHECK (ends_at_ms >= opens_at_ms)
) WITH (fillfactor = 50);
-- One at a time, so that the lock of the one drop guards the limit per person.
CREATE UNIQUE INDEX coupon_drops_one_live ON coupon_drops (coupon_id)
    WHERE state IN ('armed', 'open');
CREATE INDEX coupon_drops_live ON coupon_drops (room_id) WHERE state IN ('armed', 'open');
CREATE INDEX coupon_drops_of_show ON coupon_drops (show_id);

CREATE TABLE coupon_claims (
    id uuid PRIMARY KEY,
    coupon_id uuid NOT NULL,
    drop_id uuid NOT NULL,
    user_id uuid NOT NULL,
    state text NOT NULL DEFAULT 'claimed' CHECK (state IN ('claimed', 'locked', 'used')),
    order_id uuid,
    off_minor bigint NOT NULL DEFAULT 0 CHECK (off_minor >= 0),
    version bigint NOT NULL,
    seq integer NOT NULL,
    claimed_at_ms bigint NOT NULL,
    -- Dead at read time from then on, unless an order has it.
    expires_at_ms bigint NOT NULL,
    used_at_ms bigint,
    CHECK ((state = 'claimed') = (order_id IS NULL)),
    CHECK (state <> 'claimed' OR off_minor = 0)
) WITH (fillfactor = 80);
CREATE INDEX coupon_claims_of_person ON coupon_claims (user_id, coupon_id);
CREATE INDEX coupon_claims_of_drop ON coupon_claims (drop_id);
CREATE INDEX coupon_claims_on_orders ON coupon_claims (coupon_id) INCLUDE (off_minor)
    WHERE state IN ('locked', 'used');
CREATE UNIQUE INDEX coupon_claims_one_an_order ON coupon_claims (order_id)
    WHERE order_id IS NOT NULL;

-- The claim that an order was placed with; it stays when the claim has gone back.
ALTER TABLE orders ADD COLUMN coupon_claim_id uuid REFERENCES coupon_claims (id),
    ADD CHECK ((discount_minor > 0) = (coupon_claim_id IS NOT NULL));

-- Decide a batch of claims in arrival order: one call, one lock, one commit, as `reserve_batch`.
-- Arrays are parallel; nobody is in them twice (the batcher sees to it).
-- Outcomes: 0 claimed, 1 replayed, 2 no such drop, 3 not_open, 4 ended, 5 limit_reached, 6 gone,
-- 7 too_new, 8 no such person.
CREATE FUNCTION claim_coupons_batch(
    p_drop uuid, p_ids uuid[], p_users uuid[],
    OUT outcomes smallint[], OUT states text[], OUT expires_at bigint[], OUT now_ms bigint,
    OUT opens_at bigint, OUT left_over integer
)
LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
    d coupon_drops%ROWTYPE;
    c coupons%ROWTYPE;
    has integer[];
    ages_ms bigint[];
    gate smallint;
    won integer := 0;
    i integer;
BEGIN
    SELECT * INTO d FROM coupon_drops x WHERE x.id = p_drop FOR NO KEY UPDATE;
    now_ms := clock_ms();
    IF d.id IS NULL THEN
        outcomes := array_fill(2::smallint, ARRAY[cardinality(p_ids)]);
        RETURN;
    END IF;
    SELECT * INTO c FROM coupons x WHERE x.id = d.coupon_id;
    opens_at := d.opens_at_ms;
    gate := CASE
        WHEN d.state IN ('ended', 'cancelled') THEN 4
        WHEN now_ms < d.opens_at_ms THEN 3
        WHEN now_ms >= d.ends_at_ms THEN 4
        ELSE 0 END;
    SELECT array_agg(k.state ORDER BY q.ord), array_agg(k.expires_at_ms ORDER BY q.ord),
        array_agg(h.claims ORDER BY q.ord), array_agg(now_ms - u.created_at_ms ORDER BY q.ord)
    INTO states, expires_at, has, ages_ms
    FROM unnest(p_ids, p_users) WITH ORDINALITY AS q (id, user_id, ord)
    LEFT JOIN coupon_claims k ON k.id = q.id
    LEFT JOIN users u ON u.id = q.user_id
    CROSS JOIN LATERAL (
        SELECT count(*)::integer AS claims FROM coupon_claims o
        WHERE o.user_id = q.user_id AND o.coupon_id = d.coupon_id
    ) h;
    left_over := d.quantity - d.claimed;
    FOR i IN 1 .. cardinality(p_ids) LOOP
        outcomes[i] := CASE
            WHEN states[i] IS NOT NULL THEN 1
            WHEN gate <> 0 THEN gate
            WHEN ages_ms[i] IS NULL THEN 8
            WHEN has[i] >= c.per_person THEN 5
            WHEN ages_ms[i] < d.min_age_s * 1000::bigint THEN 7
            WHEN left_over = 0 THEN 6
            ELSE 0 END;
        IF outcomes[i] = 0 THEN
            left_over := left_over - 1;
            won := won + 1;
            states[i] := 'claimed';
            expires_at[i] := now_ms + c.valid_s * 1000::bigint;
        END IF;
    END LOOP;
    IF won > 0 THEN
        INSERT INTO coupon_claims (id, coupon_id, drop_id, user_id, version, seq, claimed_at_ms,
            expires_at_ms)
        SELECT q.id, d.coupon_id, p_drop, q.user_id, d.version + 1, q.ord, now_ms, q.expires
        FROM unnest(p_ids, p_users, expires_at, outcomes)
            WITH ORDINALITY AS q (id, user_id, expires, outcome, ord)
        WHERE q.outcome = 0;
        UPDATE coupon_drops x SET claimed = x.claimed + won, version = x.version + 1
        WHERE x.id = p_drop;
    END IF;
END
$$;

-- The auditor looks at a coupon with its drops and claims as one.
ALTER TABLE audit_marks ADD COLUMN coupon_id uuid;
CREATE FUNCTION audit_mark_claims() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    INSERT INTO audit_marks (coupon_id) SELECT DISTINCT c.coupon_id FROM changed c;
    RETURN NULL;
END
$$;
CREATE TRIGGER audit_claims_made AFTER INSERT ON coupon_claims
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION audit_mark_claims();
CREATE TRIGGER audit_claims_changed AFTER UPDATE ON coupon_claims
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION audit_mark_claims();
CREATE TRIGGER audit_claims_gone AFTER DELETE ON coupon_claims
    REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION audit_mark_claims();
-- A drop that is closed gives back to its coupon; one that is claimed from is marked by its claims.
CREATE FUNCTION audit_mark_coupon() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    INSERT INTO audit_marks (coupon_id) VALUES (NEW.id);
    RETURN NULL;
END
$$;
CREATE TRIGGER audit_coupon_changed AFTER UPDATE ON coupons
    FOR EACH ROW EXECUTE FUNCTION audit_mark_coupon();
CREATE TRIGGER audit_order_coupon_changed AFTER UPDATE OF coupon_claim_id ON orders
    FOR EACH ROW EXECUTE FUNCTION audit_mark_order();
