-- How each sale event reached the viewers who were asked: counts of what they reported, one row
-- for each run of a gateway process that had any of them. Measured, not promised: a process that
-- is killed takes its last seconds with it.

CREATE TABLE sale_deliveries (
    room_id uuid NOT NULL REFERENCES rooms (id),
    log_offset bigint NOT NULL CHECK (log_offset > 0),
    reporter text NOT NULL,
    asked integer NOT NULL CHECK (asked > 0),
    -- 10 ms steps to 100 ms, 50 ms steps to 2 s, and all that is later.
    bins integer[] NOT NULL CHECK (array_ndims(bins) = 1 AND cardinality(bins) = 49),
    acked integer NOT NULL CHECK (acked BETWEEN 0 AND asked),
    PRIMARY KEY (room_id, log_offset, reporter)
);
