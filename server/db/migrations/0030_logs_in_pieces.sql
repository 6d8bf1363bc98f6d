-- The auditor reads a room's long log in pieces, as it does a pool's journal; what it read of one is
-- kept between its steps.
--
-- `is_owed`: a round wants the log's sum and has not come to its end yet; otherwise the turn is on
-- its way through it. Gone when the end is reached.
CREATE TABLE audit_logs (
    room_id uuid PRIMARY KEY,
    rows bigint NOT NULL DEFAULT 0,
    log_offset bigint NOT NULL DEFAULT 0,
    is_owed boolean NOT NULL
) WITH (fillfactor = 50);

-- A deleted event may be one that a piece has counted: its log is read anew, as a journal is.
CREATE OR REPLACE FUNCTION audit_mark_log() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    INSERT INTO audit_marks (room_id, events_delta, is_deep)
    SELECT c.room_id, CASE TG_OP WHEN 'INSERT' THEN count(*) ELSE -count(*) END,
        TG_OP <> 'INSERT'
    FROM changed c GROUP BY c.room_id;
    RETURN NULL;
END
$$;
