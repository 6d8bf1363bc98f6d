-- Who may press: the extra rules of a sale, with the number of the rule set.
ALTER TABLE sales ADD COLUMN rules jsonb CHECK (rules IS NULL OR rules ->> 'version' IS NOT NULL);

-- When a buyer let a hold go, for the rule about those who hold and drop. What a host takes back
-- from a halted sale is nobody's fault, and stays NULL. A hold that expired did so at its
-- `release_at_ms`, which needs no note.
ALTER TABLE reservations ADD COLUMN released_at_ms bigint;

-- A trigger, so that no way of letting go can forget it; it runs for nothing else.
CREATE FUNCTION note_release() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    IF (SELECT s.state FROM sales s WHERE s.id = NEW.sale_id) <> 'halted' THEN
        NEW.released_at_ms := clock_ms();
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER reservations_note_release BEFORE UPDATE OF state ON reservations
    FOR EACH ROW WHEN (NEW.state = 'released' AND OLD.state <> 'released')
    EXECUTE FUNCTION note_release();

-- By which card a payment is made: a hash under the installation's key, so that units of a sale
-- that limits cards can be counted and nobody can be known by it elsewhere.
ALTER TABLE payments ADD COLUMN card text CHECK (card ~ '^[0-9a-f]{64}$');
-- Why granted money was let go, for the buyer's page.
ALTER TABLE payments ADD COLUMN let_go_reason text;
CREATE INDEX payments_of_card ON payments (card) WHERE card IS NOT NULL;
CREATE TRIGGER audit_payment_card_changed AFTER UPDATE OF card ON payments
    FOR EACH ROW WHEN (OLD.card IS NOT NULL AND NEW.card IS DISTINCT FROM OLD.card)
    EXECUTE FUNCTION audit_mark_order();

-- Which card the pretend provider was paid with.
ALTER TABLE sandbox.payments ADD COLUMN card text;
