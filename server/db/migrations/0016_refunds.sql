-- Money that goes back: a row for each refund before the provider hears of it, and the goods that
-- come back with it once the money is there.

CREATE TABLE refunds (
    id uuid PRIMARY KEY,
    payment_id uuid NOT NULL REFERENCES payments (id),
    order_id uuid NOT NULL REFERENCES orders (id),
    amount_minor bigint NOT NULL CHECK (amount_minor > 0),
    currency text NOT NULL,
    state text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'done', 'failed')),
    -- A person's act, or money that came too late and goes back by itself.
    origin text NOT NULL CHECK (origin IN ('person', 'late')),
    reason text NOT NULL,
    restock boolean NOT NULL DEFAULT false,
    -- How often a person has asked again: part of the provider's key, so that a call that the
    -- provider refused is decided anew, and one that it may have taken is not made twice.
    retries integer NOT NULL DEFAULT 0,
    requested_by uuid REFERENCES users (id),
    request_hash text NOT NULL,
    provider_ref text,
    error text,
    created_at_ms bigint NOT NULL DEFAULT clock_ms(),
    updated_at_ms bigint NOT NULL DEFAULT clock_ms()
);
CREATE INDEX refunds_of_order ON refunds (order_id, created_at_ms);
CREATE INDEX refunds_of_payment ON refunds (payment_id);

CREATE TABLE refund_lines (
    refund_id uuid NOT NULL REFERENCES refunds (id),
    reservation_id uuid NOT NULL REFERENCES reservations (id),
    qty integer NOT NULL CHECK (qty > 0),
    PRIMARY KEY (refund_id, reservation_id)
);
CREATE INDEX refund_lines_of_reservation ON refund_lines (reservation_id);

-- What has gone back for sure; the tripwire behind the lock that allots refunds.
ALTER TABLE payments ADD COLUMN refunded_minor bigint NOT NULL DEFAULT 0,
    ADD CHECK (refunded_minor BETWEEN 0 AND amount_minor);
ALTER TABLE orders ADD COLUMN refunded_minor bigint NOT NULL DEFAULT 0,
    ADD CHECK (refunded_minor BETWEEN 0 AND total_minor);

-- Every refund is a row now, also those that late money was owed before there was this table.
INSERT INTO refunds (id, payment_id, order_id, amount_minor, currency, state, origin, reason,
    request_hash, error, created_at_ms)
SELECT c.id, p.id, p.order_id, p.amount_minor, p.currency, c.state, 'late', 'late money', '',
    c.last_error, c.created_at_ms
FROM payment_calls c JOIN payments p ON p.id = c.payment_id WHERE c.kind = 'refund';
UPDATE payments p SET refunded_minor = p.amount_minor
FROM refunds r WHERE r.payment_id = p.id AND r.state = 'done';

-- One create, capture and void a payment, and one call a refund.
ALTER TABLE payment_calls ADD COLUMN refund_id uuid REFERENCES refunds (id);
UPDATE payment_calls SET refund_id = id WHERE kind = 'refund';
ALTER TABLE payment_calls DROP CONSTRAINT payment_calls_payment_id_kind_key;
ALTER TABLE payment_calls ADD CHECK ((kind = 'refund') = (refund_id IS NOT NULL));
CREATE UNIQUE INDEX payment_calls_once_each ON payment_calls (payment_id, kind)
    WHERE refund_id IS NULL;
CREATE UNIQUE INDEX payment_calls_of_refund ON payment_calls (refund_id)
    WHERE refund_id IS NOT NULL;

-- Take back a sold reservation whose money is back: its buyer may buy again, `p_restocked` of its
-- units can be sold again, the others leave the pool (they are broken, kept or lost). Both are one
-- journal row, so claimed and total stay what the journal adds up to. The caller holds the locks
-- of the pool and of the reservation.
CREATE FUNCTION refund_reservation(p_reservation uuid, p_restocked integer)
RETURNS boolean
LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
    r reservations%ROWTYPE;
    pool_version bigint;
BEGIN
    UPDATE reservations SET state = 'refunded'
    WHERE id = p_reservation AND state = 'sold' RETURNING * INTO r;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    IF p_restocked NOT BETWEEN 0 AND r.qty THEN
        RAISE EXCEPTION 'reservation % has % units, not %', r.id, r.qty, p_restocked
            USING ERRCODE = 'check_violation';
    END IF;
    UPDATE sale_buyers b SET qty = b.qty - r.qty
    WHERE b.sale_id = r.sale_id AND b.user_id = r.user_id;
    UPDATE stock s SET claimed = s.claimed - r.qty, total = s.total - (r.qty - p_restocked),
        version = s.version + 1
    WHERE s.pool_id = r.pool_id RETURNING s.version INTO pool_version;
    INSERT INTO stock_journal (pool_id, version, claimed_delta, total_delta, reason, at_ms)
    VALUES (r.pool_id, pool_version, -r.qty, p_restocked - r.qty, 'refunded', clock_ms());
    -- What can be sold again goes to those who wait, before the public sees it.
    PERFORM serve_waiting(r.pool_id, clock_ms());
    RETURN true;
END
$$;

-- The pretend provider's refunds; `reference` is the shop's own id and the idempotency key.
CREATE TABLE sandbox.refunds (
    reference text PRIMARY KEY,
    id text NOT NULL UNIQUE,
    payment_id text NOT NULL REFERENCES sandbox.payments (id),
    amount_minor bigint NOT NULL CHECK (amount_minor > 0),
    created_at_ms bigint NOT NULL DEFAULT clock_ms()
);
CREATE INDEX refunds_of_payment ON sandbox.refunds (payment_id);
INSERT INTO sandbox.refunds (reference, id, payment_id, amount_minor)
SELECT 'whole-' || id, 'sr_' || id, id, amount_minor FROM sandbox.payments
WHERE state = 'refunded' AND amount_minor > 0;
CREATE INDEX payments_by_time ON sandbox.payments (created_at_ms, id);
