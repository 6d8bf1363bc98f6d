-- Payments that heal: what a failure was about, which calls come first, what is asked for often.

-- `provider_ref` is the attempt under way, or the last one; `failed_refs` are those that failed before
-- a person asked again: what is told of them is old news.
ALTER TABLE refunds ADD COLUMN failed_refs text[] NOT NULL DEFAULT '{}';
UPDATE refunds SET failed_refs = ARRAY[provider_ref], provider_ref = NULL
WHERE provider_ref IS NOT NULL AND state = 'pending';

-- Money of a paid order is taken first; letting go what nobody has paid can wait.
ALTER TABLE payment_calls ADD COLUMN urgency smallint GENERATED ALWAYS AS (
    CASE kind WHEN 'capture' THEN 0 WHEN 'void' THEN 2 ELSE 1 END
) STORED;
DROP INDEX payment_calls_pending;
CREATE INDEX payment_calls_pending ON payment_calls (urgency, next_at_ms, id)
    WHERE state = 'pending';
CREATE INDEX payment_calls_failed ON payment_calls (created_at_ms, id) WHERE state = 'failed';

-- Reconciliation reads a stretch of time.
CREATE INDEX payments_by_time ON payments (created_at_ms, id);
