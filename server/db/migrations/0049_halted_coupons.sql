-- A coupon that its host has stopped takes nothing off, and nobody gets one, until it is let go on.
--
-- Orders read it under the coupon's lock, which the halt takes, and claims under their drop's, which it
-- takes as well: what is locked or claimed before its COMMIT stands, nothing is after it.
ALTER TABLE coupons
    ADD COLUMN halt_reason text CHECK (char_length(halt_reason) BETWEEN 1 AND 120),
    ADD COLUMN halted_at_ms bigint,
    ADD CONSTRAINT coupons_halt_is_whole CHECK ((halt_reason IS NULL) = (halted_at_ms IS NULL));

-- As before, with outcome 9: halted. A drop that is over says so all the same, as a sale does.
CREATE OR REPLACE FUNCTION claim_coupons_batch(
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
        WHEN d.state = 'gone' THEN 0  -- Its end is when the last one went.
        WHEN now_ms >= d.ends_at_ms AND now_ms >= d.opens_at_ms THEN 4
        WHEN c.halt_reason IS NOT NULL THEN 9
        WHEN now_ms < d.opens_at_ms THEN 3
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
