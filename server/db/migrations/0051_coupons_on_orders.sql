-- The figures of a coupon cost the same however many are used.
--
-- The host's console read every claim that was ever on an order, of each coupon of the room. How many
-- are on orders is counted on the coupon now, whose lock every move of a claim onto an order and off it
-- takes first; `locked` are as many as orders wait, and have an index of their own. It is counted here,
-- and not by whoever moves a claim, so that processes from before this migration count while they are
-- replaced. The auditor holds the count against the claims.
ALTER TABLE coupons ADD COLUMN on_orders integer NOT NULL DEFAULT 0;
CREATE FUNCTION count_claim_on_orders() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE coupons
    SET on_orders = on_orders + CASE WHEN NEW.state IN ('locked', 'used') THEN 1 ELSE -1 END
    WHERE id = NEW.coupon_id;
    RETURN NULL;
END
$$;
CREATE TRIGGER claims_on_orders_are_counted AFTER UPDATE OF state ON coupon_claims FOR EACH ROW
    WHEN ((OLD.state IN ('locked', 'used')) <> (NEW.state IN ('locked', 'used')))
    EXECUTE FUNCTION count_claim_on_orders();
-- Behind the trigger, whose lock holds off whoever would move a claim meanwhile.
UPDATE coupons c SET on_orders = q.claims FROM (
    SELECT k.coupon_id, count(*)::integer AS claims FROM coupon_claims k
    WHERE k.state IN ('locked', 'used') GROUP BY k.coupon_id
) q WHERE q.coupon_id = c.id;
ALTER TABLE coupons ADD CONSTRAINT coupons_on_orders_are_counted CHECK (on_orders >= 0);
CREATE INDEX coupon_claims_locked ON coupon_claims (coupon_id) WHERE state = 'locked';
