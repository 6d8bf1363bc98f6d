-- Where a coupon can be used: in the room that drops it, or in every room of the shop. `skus` says of what.
ALTER TABLE coupons ADD COLUMN scope text NOT NULL DEFAULT 'room' CHECK (scope IN ('room', 'shop'));
