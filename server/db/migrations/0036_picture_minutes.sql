-- How the live picture arrived, by what viewers' browsers measured: counts of a room's minute, one
-- row for each run of a gateway process that was told of any.

CREATE TABLE picture_minutes (
    room_id uuid NOT NULL REFERENCES rooms (id),
    minute_ms bigint NOT NULL CHECK (minute_ms % 60000 = 0),
    reporter text NOT NULL,
    beats integer NOT NULL CHECK (beats > 0),
    played_ms bigint NOT NULL CHECK (played_ms >= 0),
    stalled_ms bigint NOT NULL CHECK (stalled_ms BETWEEN 0 AND played_ms),
    stalls integer NOT NULL CHECK (stalls >= 0),
    -- Milliseconds in 20s to 200, 50s to 1 s, 200s to 3 s, 1,000s to 10 s, and all that is later.
    first_frames integer[] NOT NULL
        CHECK (array_ndims(first_frames) = 1 AND cardinality(first_frames) = 44),
    behinds integer[] NOT NULL CHECK (array_ndims(behinds) = 1 AND cardinality(behinds) = 44),
    PRIMARY KEY (room_id, minute_ms, reporter)
);
