-- A stream key publishes into one room for as long as it is not revoked; only its hash is kept.

CREATE TABLE stream_keys (
    id uuid PRIMARY KEY,
    room_id uuid NOT NULL REFERENCES rooms (id),
    label text NOT NULL CHECK (char_length(label) BETWEEN 1 AND 60),
    token_hash bytea NOT NULL UNIQUE CHECK (octet_length(token_hash) = 32),
    created_by uuid NOT NULL REFERENCES users (id),
    created_at_ms bigint NOT NULL DEFAULT clock_ms(),
    revoked_at_ms bigint,
    last_used_at_ms bigint
);
CREATE INDEX stream_keys_of_room ON stream_keys (room_id) WHERE revoked_at_ms IS NULL;
