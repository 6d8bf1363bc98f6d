-- Who changed what a pool has, when and why; the same key is the same change.
-- `version` is that of the change's own journal row.

CREATE TABLE adjustments (
    id uuid PRIMARY KEY,
    pool_id uuid NOT NULL,
    sku text NOT NULL,
    sale_id uuid,
    user_id uuid NOT NULL REFERENCES users (id),
    delta integer NOT NULL CHECK (delta <> 0),
    reason text NOT NULL,
    version bigint NOT NULL,
    to_waiting_list integer NOT NULL CHECK (to_waiting_list >= 0),
    at_ms bigint NOT NULL DEFAULT clock_ms(),
    UNIQUE (pool_id, version)
);
