-- Prices that fall for everybody once so many units of a sale are promised.
--
-- A unit is promised when its money is granted: a hold alone costs nothing and may lapse. Whoever
-- decides here holds the sale's pool, then this row, before any reservation. The sale's own price is
-- the plain one until then, and `price_minor` of this table after it.

-- What a provider has granted, where less than that is to be taken by now.
ALTER TABLE payments ADD COLUMN authorised_minor bigint CHECK (authorised_minor >= amount_minor);

CREATE TABLE price_unlocks (
    sale_id uuid PRIMARY KEY REFERENCES sales (id),
    units integer NOT NULL CHECK (units BETWEEN 2 AND 1000000),
    plain_minor bigint NOT NULL,
    price_minor bigint NOT NULL CHECK (price_minor BETWEEN 1 AND plain_minor - 1),
    -- What becomes of those who paid when the time ends below `units`: they pay the plain price
    -- that they agreed to, or their money is let go.
    otherwise text NOT NULL CHECK (otherwise IN ('charge', 'release')),
    state text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'unlocked', 'missed')),
    promised integer CHECK (promised >= 0),
    decided_at_ms bigint,
    CHECK ((state = 'open') = (decided_at_ms IS NULL)),
    CHECK ((state = 'open') = (promised IS NULL)),
    CONSTRAINT price_unlocks_say_the_truth
        CHECK (state = 'open' OR (state = 'unlocked') = (promised >= units))
);
CREATE INDEX price_unlocks_open ON price_unlocks (sale_id) WHERE state = 'open';

-- The second of the two prices of an order's frozen quote; the first is the order itself until the
-- price has fallen.
CREATE TABLE order_unlocks (
    order_id uuid PRIMARY KEY REFERENCES orders (id),
    sale_id uuid NOT NULL REFERENCES price_unlocks (sale_id),
    unit_price_minor bigint NOT NULL CHECK (unit_price_minor > 0),
    subtotal_minor bigint NOT NULL,
    line_tax_minor bigint NOT NULL,
    line_total_minor bigint NOT NULL,
    tax_minor bigint NOT NULL,
    tax_on_shipping_minor bigint NOT NULL,
    total_minor bigint NOT NULL CHECK (total_minor > 0)
);
CREATE INDEX order_unlocks_of_sale ON order_unlocks (sale_id);
CREATE INDEX reservations_promised ON reservations (sale_id) INCLUDE (qty)
    WHERE seated_at_ms IS NOT NULL AND group_id IS NULL AND state IN ('paying', 'sold');

-- Units of a sale that are promised by both sides.
CREATE FUNCTION promised_units(p_sale uuid) RETURNS integer
LANGUAGE sql STABLE
AS $$
    SELECT coalesce(sum(r.qty), 0)::integer FROM reservations r
    WHERE r.sale_id = p_sale AND r.seated_at_ms IS NOT NULL AND r.group_id IS NULL
      AND r.state IN ('paying', 'sold')
$$;
