-- How a room's chat is kept in order, and the way to look back in it.

CREATE TABLE room_chat_modes (
    room_id uuid PRIMARY KEY REFERENCES rooms (id),
    slow_s integer NOT NULL DEFAULT 0 CHECK (slow_s BETWEEN 0 AND 300),
    emote_only boolean NOT NULL DEFAULT false,
    links_off boolean NOT NULL DEFAULT false,
    set_by uuid NOT NULL,
    at_ms bigint NOT NULL DEFAULT clock_ms()
);

-- Deleted lines are searched and exported too, so the index of the newest lines does not serve.
CREATE INDEX chat_lines_of_room ON chat_lines (room_id, id);
CREATE INDEX chat_lines_of_author ON chat_lines (room_id, user_id, id);
