-- What an order's total is made of, kept with the order: the price of a hold, what a discount takes
-- off each line, shipping and tax. `commerce/sales/pricing/rules.py` computes it, once.

ALTER TABLE orders
    ADD COLUMN subtotal_minor bigint CHECK (subtotal_minor >= 0),
    ADD COLUMN discount_minor bigint NOT NULL DEFAULT 0 CHECK (discount_minor >= 0),
    ADD COLUMN shipping_minor bigint NOT NULL DEFAULT 0 CHECK (shipping_minor >= 0),
    ADD COLUMN tax_minor bigint NOT NULL DEFAULT 0 CHECK (tax_minor >= 0),
    ADD COLUMN tax_on_shipping_minor bigint NOT NULL DEFAULT 0 CHECK (tax_on_shipping_minor >= 0),
    ADD COLUMN is_tax_included boolean NOT NULL DEFAULT true,
    ADD CHECK (discount_minor = 0 OR discount_minor < subtotal_minor);
ALTER TABLE order_lines
    ADD COLUMN price_source text NOT NULL DEFAULT 'list'
        CHECK (price_source IN ('flash', 'group', 'campaign', 'list')),
    -- The order in which they were asked for: whom the last cent of a discount goes to.
    ADD COLUMN place smallint NOT NULL DEFAULT 0,
    ADD COLUMN discount_minor bigint NOT NULL DEFAULT 0 CHECK (discount_minor >= 0),
    ADD COLUMN tax_minor bigint NOT NULL DEFAULT 0 CHECK (tax_minor >= 0),
    -- What was paid for all its units, and what they give back when they come back.
    ADD COLUMN total_minor bigint CHECK (total_minor >= 0),
    ADD CHECK (discount_minor <= qty * unit_price_minor);

-- Orders that are older cost their prices and nothing else. Nothing of theirs changes its meaning,
-- so the auditor need not look at all of them again.
ALTER TABLE order_lines DISABLE TRIGGER audit_line_changed;
UPDATE orders SET subtotal_minor = total_minor;
UPDATE order_lines l SET total_minor = l.qty * l.unit_price_minor,
    price_source = CASE s.kind WHEN 'flash' THEN 'flash' ELSE 'list' END
FROM sales s WHERE s.id = l.sale_id;
ALTER TABLE order_lines ENABLE TRIGGER audit_line_changed;
ALTER TABLE orders ALTER COLUMN subtotal_minor SET NOT NULL;
ALTER TABLE order_lines ALTER COLUMN total_minor SET NOT NULL;

CREATE TRIGGER audit_order_parts_changed
    AFTER UPDATE OF subtotal_minor, discount_minor, shipping_minor, tax_minor,
        tax_on_shipping_minor, is_tax_included ON orders
    FOR EACH ROW EXECUTE FUNCTION audit_mark_order();
