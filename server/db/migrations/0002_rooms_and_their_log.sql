-- A room is a host's permanent place; its log is what every viewer must see, gapless.

CREATE TABLE rooms (
    id uuid PRIMARY KEY,
    slug text NOT NULL UNIQUE CHECK (slug ~ '^[a-z0-9][a-z0-9-]{0,47}$'),
    host_id uuid NOT NULL REFERENCES users (id),
    title text NOT NULL,
    poster text NOT NULL,
    epoch text NOT NULL,
    announcement text,
    created_at_ms bigint NOT NULL DEFAULT clock_ms()
);

CREATE TABLE room_moderators (
    room_id uuid NOT NULL REFERENCES rooms (id),
    user_id uuid NOT NULL REFERENCES users (id),
    PRIMARY KEY (room_id, user_id)
);

-- The last lock of every transaction that announces something.
CREATE TABLE room_log_heads (
    room_id uuid PRIMARY KEY,
    log_offset bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 50);

CREATE TABLE room_events (
    room_id uuid NOT NULL,
    log_offset bigint NOT NULL,
    type text NOT NULL,
    payload text NOT NULL,
    at_ms bigint NOT NULL DEFAULT clock_ms(),
    is_published boolean NOT NULL DEFAULT false,
    PRIMARY KEY (room_id, log_offset)
);
CREATE INDEX room_events_unpublished ON room_events (at_ms) WHERE NOT is_published;

CREATE TABLE chat_lines (
    id uuid PRIMARY KEY,
    room_id uuid NOT NULL REFERENCES rooms (id),
    user_id uuid,
    name text NOT NULL,
    text text NOT NULL,
    flags text[] NOT NULL DEFAULT '{}',
    at_ms bigint NOT NULL,
    deleted_at_ms bigint,
    deleted_by uuid
);
CREATE INDEX chat_lines_latest ON chat_lines (room_id, id DESC) WHERE deleted_at_ms IS NULL;

CREATE TABLE room_mutes (
    room_id uuid NOT NULL REFERENCES rooms (id),
    user_id uuid NOT NULL,
    until_ms bigint NOT NULL,
    reason text,
    muted_by uuid NOT NULL,
    at_ms bigint NOT NULL DEFAULT clock_ms(),
    PRIMARY KEY (room_id, user_id)
);

CREATE TABLE room_likes (
    room_id uuid PRIMARY KEY,
    total bigint NOT NULL DEFAULT 0 CHECK (total >= 0)
) WITH (fillfactor = 50);
