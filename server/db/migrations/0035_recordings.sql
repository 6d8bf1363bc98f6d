-- Which shows were recorded, in which parts, and when by the database's clock.

CREATE TABLE recordings (
    show_id uuid PRIMARY KEY REFERENCES shows (id),
    room_id uuid NOT NULL REFERENCES rooms (id),
    state text NOT NULL CHECK (state IN ('recording', 'complete', 'cut', 'removed')),
    -- Why it stopped before its show did, or that its time was over.
    reason text,
    -- What the clock of the recording process lacks to the database's, for its files' dates.
    clock_ahead_ms bigint NOT NULL DEFAULT 0,
    size_bytes bigint NOT NULL DEFAULT 0 CHECK (size_bytes >= 0),
    started_at_ms bigint NOT NULL DEFAULT clock_ms(),
    ended_at_ms bigint,
    CHECK ((state = 'recording') = (ended_at_ms IS NULL))
);
CREATE INDEX recordings_ended ON recordings (ended_at_ms) WHERE state IN ('complete', 'cut');

CREATE TABLE recording_parts (
    show_id uuid NOT NULL REFERENCES recordings (show_id),
    no integer NOT NULL CHECK (no >= 1),
    kind text NOT NULL CHECK (kind IN ('mp4', 'webm')),
    codecs text NOT NULL,
    width integer NOT NULL,
    height integer NOT NULL,
    from_ms bigint NOT NULL,
    to_ms bigint NOT NULL CHECK (to_ms >= from_ms),
    PRIMARY KEY (show_id, no)
);
