-- The reservation core: one hot row a pool, an append-only journal, and the holds.
-- Times are milliseconds of the database's own clock; nothing here has a foreign key to `stock`.

CREATE TABLE sales (
    id uuid PRIMARY KEY,
    room_id uuid NOT NULL REFERENCES rooms (id),
    show_id uuid NOT NULL REFERENCES shows (id),
    item_id uuid NOT NULL REFERENCES bag_items (id),
    pool_id uuid NOT NULL,
    kind text NOT NULL CHECK (kind IN ('regular', 'flash')),
    sku text NOT NULL REFERENCES variants (sku),
    price_minor bigint NOT NULL CHECK (price_minor >= 0),
    currency text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    state text NOT NULL CHECK (state IN ('armed', 'open', 'sold_out', 'ended', 'cancelled')),
    opens_at_ms bigint,
    ends_at_ms bigint,
    per_buyer integer CHECK (per_buyer > 0),
    hold_s integer NOT NULL CHECK (hold_s BETWEEN 1 AND 900),
    grace_s integer NOT NULL CHECK (grace_s BETWEEN 0 AND 300),
    quantity integer CHECK (quantity > 0),
    request_hash text,
    reason text,
    created_at_ms bigint NOT NULL DEFAULT clock_ms(),
    CHECK (ends_at_ms IS NULL OR opens_at_ms IS NULL OR ends_at_ms >= opens_at_ms)
);
CREATE INDEX sales_of_show ON sales (show_id);
CREATE INDEX sales_on_flash ON sales (room_id)
    WHERE kind = 'flash' AND state IN ('armed', 'open', 'sold_out');

CREATE TABLE stock (
    pool_id uuid PRIMARY KEY,
    sku text NOT NULL,
    sale_id uuid,
    total integer NOT NULL,
    claimed integer NOT NULL DEFAULT 0,
    version bigint NOT NULL DEFAULT 0,
    CHECK (claimed >= 0),
    CHECK (claimed <= total)
) WITH (fillfactor = 50);
CREATE UNIQUE INDEX stock_of_sku ON stock (sku) WHERE sale_id IS NULL;

CREATE TABLE stock_journal (
    pool_id uuid NOT NULL,
    version bigint NOT NULL,
    claimed_delta integer NOT NULL,
    total_delta integer NOT NULL,
    reason text NOT NULL,
    at_ms bigint NOT NULL,
    PRIMARY KEY (pool_id, version)
);

CREATE TABLE reservations (
    id uuid PRIMARY KEY,
    pool_id uuid NOT NULL,
    sale_id uuid NOT NULL,
    user_id uuid NOT NULL,
    qty integer NOT NULL CHECK (qty > 0),
    unit_price_minor bigint NOT NULL,
    state text NOT NULL DEFAULT 'held' CHECK (
        state IN ('held', 'paying', 'sold', 'expired', 'released', 'refused_late', 'refunded')
    ),
    origin text NOT NULL DEFAULT 'walk_in' CHECK (
        origin IN ('walk_in', 'waiting_list', 'draw', 'group', 'staff')
    ),
    version bigint NOT NULL,
    seq integer NOT NULL,
    decided_at_ms bigint NOT NULL,
    shown_until_ms bigint NOT NULL,
    release_at_ms bigint NOT NULL,
    extended boolean NOT NULL DEFAULT false
) WITH (fillfactor = 80);
CREATE INDEX reservations_due ON reservations (pool_id, release_at_ms)
    WHERE state IN ('held', 'paying');
CREATE INDEX reservations_sold ON reservations (pool_id) INCLUDE (qty) WHERE state = 'sold';
CREATE INDEX reservations_of_user ON reservations (user_id, sale_id);

-- The three figures that people see of a pool; `sold` is counted, so that paying locks no stock.
CREATE VIEW pool_figures AS
SELECT k.pool_id, k.total, k.total - k.claimed AS available, k.claimed - q.sold AS held, q.sold
FROM stock k
CROSS JOIN LATERAL (
    SELECT coalesce(sum(r.qty), 0)::integer AS sold FROM reservations r
    WHERE r.pool_id = k.pool_id AND r.state = 'sold'
) q;

CREATE TABLE sale_buyers (
    sale_id uuid NOT NULL,
    user_id uuid NOT NULL,
    qty integer NOT NULL CHECK (qty >= 0),
    PRIMARY KEY (sale_id, user_id)
) WITH (fillfactor = 80);

-- Presses are counted, never stored one by one: losers write nothing.
CREATE TABLE sale_presses (
    sale_id uuid NOT NULL,
    second_ms bigint NOT NULL,
    answer text NOT NULL,
    count bigint NOT NULL CHECK (count > 0),
    PRIMARY KEY (sale_id, second_ms, answer)
);

CREATE TABLE audit_reports (
    at_ms bigint PRIMARY KEY,
    ok boolean NOT NULL,
    report text NOT NULL
);
