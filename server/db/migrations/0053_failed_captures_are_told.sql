-- An order changes, for whoever asks what has changed since, when its capture is given up and when that
-- is over: staff read of it in its payment, and send the goods by it. Whoever changes such a call holds
-- the lock of its payment, so that the order's comes after it.
CREATE FUNCTION touch_order_of_call() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE orders o SET updated_at_ms = clock_ms()
    FROM payments p WHERE p.id = NEW.payment_id AND o.id = p.order_id;
    RETURN NULL;
END
$$;
CREATE TRIGGER failed_capture_is_told AFTER UPDATE OF state ON payment_calls FOR EACH ROW
    WHEN (NEW.kind = 'capture' AND (OLD.state = 'failed') <> (NEW.state = 'failed'))
    EXECUTE FUNCTION touch_order_of_call();
