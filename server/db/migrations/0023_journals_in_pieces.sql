-- The auditor reads a long journal in pieces; what it read of one is kept between its steps.
--
-- `is_owed`: a round wants the pool's sums and has not come to the journal's end yet; otherwise the
-- turn is on its way through it. Gone when the end is reached.
CREATE TABLE audit_journals (
    pool_id uuid PRIMARY KEY,
    rows bigint NOT NULL DEFAULT 0,
    version bigint NOT NULL DEFAULT 0,
    claimed bigint NOT NULL DEFAULT 0,
    total bigint NOT NULL DEFAULT 0,
    off_version bigint,
    is_owed boolean NOT NULL
) WITH (fillfactor = 50);

-- The journal's rows that a person made, so that each is asked for its adjustment without reading
-- the others. A pool's first row is its stocking, which is nobody's adjustment.
CREATE INDEX stock_journal_adjusted ON stock_journal (pool_id, version)
    WHERE reason IN ('restocked', 'written_off') OR (reason = 'carved_in' AND version > 1);
