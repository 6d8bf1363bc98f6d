-- How many orders with one coupon a card may pay for, whoever has claimed it. It is counted as the money
-- is confirmed, as a sale's own limit is.

ALTER TABLE coupons ADD COLUMN per_card integer CHECK (per_card BETWEEN 1 AND 1000);
