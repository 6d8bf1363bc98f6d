-- What can be sold, and the shows in which it is: schedule, numbered bag, pins.

CREATE TABLE products (
    id uuid PRIMARY KEY,
    title text NOT NULL CHECK (char_length(title) BETWEEN 1 AND 120),
    title_zh text,
    notes text NOT NULL DEFAULT '',
    notes_zh text,
    picture text NOT NULL
);

CREATE TABLE variants (
    sku text PRIMARY KEY CHECK (sku ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$'),
    product_id uuid NOT NULL REFERENCES products (id),
    label text,
    label_zh text,
    price_minor bigint NOT NULL CHECK (price_minor >= 0)
);
CREATE INDEX variants_of_product ON variants (product_id);

-- How a variant is named wherever people see it: the product's title, then its own label.
CREATE VIEW named_variants AS
SELECT v.sku, concat_ws(', ', p.title, v.label) AS title,
    CASE WHEN p.title_zh IS NOT NULL
        THEN concat_ws('，', p.title_zh, coalesce(v.label_zh, v.label)) END AS title_zh,
    p.picture, v.price_minor, p.notes, p.notes_zh, v.product_id
FROM variants v JOIN products p ON p.id = v.product_id;

CREATE TABLE shows (
    id uuid PRIMARY KEY,
    room_id uuid NOT NULL REFERENCES rooms (id),
    title text NOT NULL CHECK (char_length(title) BETWEEN 1 AND 120),
    status text NOT NULL CHECK (status IN ('scheduled', 'live', 'ended')),
    starts_at_ms bigint NOT NULL,
    started_at_ms bigint,
    ended_at_ms bigint,
    created_at_ms bigint NOT NULL DEFAULT clock_ms()
);
CREATE UNIQUE INDEX shows_one_live_in_a_room ON shows (room_id) WHERE status = 'live';
CREATE INDEX shows_of_room ON shows (room_id, starts_at_ms);

-- The number is the show's promise to the viewers: "link 3" stays 3, even after a removal.
CREATE TABLE bag_items (
    id uuid PRIMARY KEY,
    show_id uuid NOT NULL REFERENCES shows (id),
    no integer NOT NULL CHECK (no BETWEEN 1 AND 200),
    sku text NOT NULL REFERENCES variants (sku),
    removed_at_ms bigint,
    UNIQUE (show_id, no)
);

CREATE TABLE pins (
    id uuid PRIMARY KEY,
    show_id uuid NOT NULL REFERENCES shows (id),
    item_id uuid NOT NULL REFERENCES bag_items (id),
    from_ms bigint NOT NULL DEFAULT clock_ms(),
    to_ms bigint
);
CREATE UNIQUE INDEX pins_one_open_in_a_show ON pins (show_id) WHERE to_ms IS NULL;
CREATE INDEX pins_of_show ON pins (show_id, from_ms);

CREATE TABLE show_samples (
    show_id uuid NOT NULL REFERENCES shows (id),
    at_ms bigint NOT NULL,
    viewers integer NOT NULL CHECK (viewers >= 0),
    PRIMARY KEY (show_id, at_ms)
);
