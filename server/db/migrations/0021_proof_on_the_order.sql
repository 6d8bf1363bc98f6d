-- A buyer's place in the decided order, read once, when the order is placed.
--
-- Read later it would move with every unit that is let go, and cost as much as the sale is large.
-- Orders from before have none: their place cannot be known any more.

ALTER TABLE orders ADD COLUMN proof_place integer, ADD COLUMN proof_of integer,
    ADD COLUMN proof_decided_at_ms bigint,
    ADD CHECK (num_nulls(proof_place, proof_of, proof_decided_at_ms) IN (0, 3));
