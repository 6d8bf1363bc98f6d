-- Money that came after its hold had ended takes the units again.

-- Make expired reservations of a locked pool sold; the caller has seen that so many are free.
CREATE FUNCTION reserve_late(p_pool uuid, p_ids uuid[]) RETURNS void
LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
    won integer;
BEGIN
    WITH changed AS (
        UPDATE reservations r SET state = 'sold'
        WHERE r.id = ANY (p_ids) AND r.pool_id = p_pool AND r.state = 'expired'
        RETURNING r.sale_id, r.user_id, r.qty
    ), counted AS (
        INSERT INTO sale_buyers AS b (sale_id, user_id, qty)
        SELECT c.sale_id, c.user_id, sum(c.qty) FROM changed c GROUP BY c.sale_id, c.user_id
        ON CONFLICT (sale_id, user_id) DO UPDATE SET qty = b.qty + excluded.qty
    )
    SELECT sum(c.qty) INTO won FROM changed c;
    UPDATE stock s SET claimed = s.claimed + won, version = s.version + 1
    WHERE s.pool_id = p_pool;
    INSERT INTO stock_journal (pool_id, version, claimed_delta, total_delta, reason, at_ms)
    SELECT s.pool_id, s.version, won, 0, 'reserved_late', clock_ms() FROM stock s
    WHERE s.pool_id = p_pool;
END
$$;
