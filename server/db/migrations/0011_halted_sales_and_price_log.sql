-- A sale that its host has stopped for a while gives nothing to anybody.
--
-- `halted_from` is the state to come back to; `reason` tells the room why. The window runs on: a
-- halted sale whose time is over ends like every other.

ALTER TABLE sales DROP CONSTRAINT sales_state_check;
ALTER TABLE sales ADD CONSTRAINT sales_state_check CHECK (
    state IN ('armed', 'open', 'sold_out', 'halted', 'ended', 'cancelled')
);
ALTER TABLE sales ADD COLUMN halted_from text CHECK (halted_from IN ('armed', 'open', 'sold_out'));
ALTER TABLE sales ADD CONSTRAINT sales_halted_from_a_state CHECK (
    state <> 'halted' OR halted_from IS NOT NULL
);
DROP INDEX sales_on_flash;
CREATE INDEX sales_on_flash ON sales (room_id)
    WHERE kind = 'flash' AND state IN ('armed', 'open', 'sold_out', 'halted');

-- Every price at which a SKU could really be bought, from when to when, as rows that are only ever
-- added: from `at_ms` on this sale offers the SKU at `price_minor`; NULL is "no more".
--
-- A trigger writes it, so that no way of opening, stopping or repricing a sale can forget to. The
-- moments are those of the window: a sale opens at `opens_at_ms`, whenever a job notes it.
CREATE TABLE price_log (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    sku text NOT NULL,
    sale_id uuid NOT NULL,
    price_minor bigint CHECK (price_minor >= 0),
    at_ms bigint NOT NULL
);
CREATE INDEX price_log_of_sku ON price_log (sku, sale_id, at_ms, id);

CREATE FUNCTION refuse_change() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    RAISE EXCEPTION '% is only ever added to', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END
$$;
CREATE TRIGGER price_log_is_append_only BEFORE UPDATE OR DELETE ON price_log
    FOR EACH ROW EXECUTE FUNCTION refuse_change();

CREATE FUNCTION log_price() RETURNS trigger
LANGUAGE plpgsql
AS $$
DECLARE
    now_ms bigint := clock_ms();
    was_offered boolean := false;
    is_offered boolean := NEW.state IN ('open', 'sold_out');
    to_ms bigint := CASE WHEN NEW.state = 'halted' THEN now_ms ELSE NEW.ends_at_ms END;
BEGIN
    IF TG_OP = 'UPDATE' THEN
        was_offered := OLD.state IN ('open', 'sold_out');
        IF OLD.state = 'armed' AND OLD.opens_at_ms <= now_ms AND NEW.state <> 'armed' THEN
            -- Its window was open before anybody noted it.
            INSERT INTO price_log (sku, sale_id, price_minor, at_ms)
            VALUES (OLD.sku, OLD.id, OLD.price_minor, OLD.opens_at_ms);
            was_offered := true;
        END IF;
    END IF;
    IF is_offered AND (NOT was_offered OR NEW.price_minor <> OLD.price_minor) THEN
        INSERT INTO price_log (sku, sale_id, price_minor, at_ms)
        VALUES (NEW.sku, NEW.id, NEW.price_minor, CASE
            WHEN was_offered OR TG_OP = 'UPDATE' AND OLD.state = 'halted' THEN now_ms
            ELSE coalesce(NEW.opens_at_ms, now_ms) END);
    ELSIF was_offered AND NOT is_offered THEN
        INSERT INTO price_log (sku, sale_id, price_minor, at_ms)
        VALUES (NEW.sku, NEW.id, NULL, coalesce(to_ms, now_ms));
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER sales_log_their_price AFTER INSERT OR UPDATE OF state, price_minor ON sales
    FOR EACH ROW EXECUTE FUNCTION log_price();

-- What was offered before there was a log.
INSERT INTO price_log (sku, sale_id, price_minor, at_ms)
SELECT sku, id, price_minor, opens_at_ms FROM sales
WHERE opens_at_ms IS NOT NULL AND state <> 'armed' AND ends_at_ms IS DISTINCT FROM opens_at_ms
ORDER BY opens_at_ms;
INSERT INTO price_log (sku, sale_id, price_minor, at_ms)
SELECT sku, id, NULL, ends_at_ms FROM sales
WHERE state IN ('ended', 'cancelled') AND opens_at_ms IS NOT NULL AND ends_at_ms > opens_at_ms
ORDER BY ends_at_ms;

-- The reference price that a sale shows: the lowest of the last `reference_days` days before it.
ALTER TABLE sales ADD COLUMN reference_minor bigint CHECK (reference_minor >= 0);
ALTER TABLE sales ADD COLUMN reference_days integer CHECK (reference_days BETWEEN 1 AND 30);
ALTER TABLE sales ADD CONSTRAINT sales_reference_is_whole CHECK (
    (reference_minor IS NULL) = (reference_days IS NULL)
);
