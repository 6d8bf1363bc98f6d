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

