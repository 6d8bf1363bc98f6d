-- The figures of a coupon cost the same however many are used.
--
-- The host's console read every claim that was ever on an order, of each coupon of the room. How many
-- are on orders is counted now where what they take off is, under the same lock; `locked` are as many as
-- orders wait, and have an index of their own. The auditor holds the count against the claims.
ALTER TABLE coupons ADD COLUMN on_orders integer NOT NULL DEFAULT 0;
UPDATE coupons c SET on_orders = q.claims FROM (
    SELECT k.coupon_id, count(*)::integer AS claims FROM coupon_claims k
    WHERE k.state IN ('locked', 'used') GROUP BY k.coupon_id
) q WHERE q.coupon_id = c.id;
ALTER TABLE coupons ADD CONSTRAINT coupons_on_orders_are_counted CHECK (on_orders >= 0);
CREATE INDEX coupon_claims_locked ON coupon_claims (coupon_id) WHERE state = 'locked';
