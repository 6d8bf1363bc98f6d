-- Payments that heal: what a failure was about, which calls come first, what is asked for often.

-- `provider_ref` is the attempt under way, or the last one; `failed_refs` are those that failed before
-- a person asked again: what is told of them is old news.
ALTER TABLE refunds ADD COLUMN failed_refs text[] NOT NULL DEFAULT '{}';
UPDATE refunds SET failed_refs = ARRAY[provider_ref], provider_ref = NULL
WHERE provider_ref IS NOT NULL AND state = 'pending';
