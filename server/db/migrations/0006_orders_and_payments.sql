-- An order is a promise made of reservations; a payment is somebody else's word about money.

CREATE TABLE orders (
    id uuid PRIMARY KEY,
    user_id uuid NOT NULL REFERENCES users (id),
    room_id uuid NOT NULL REFERENCES rooms (id),
    show_id uuid NOT NULL REFERENCES shows (id),
    state text NOT NULL CHECK (
        state IN ('awaiting_payment', 'paid', 'cancelled', 'expired', 'refunded')
    ),
    total_minor bigint NOT NULL CHECK (total_minor >= 0),
    currency text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    ship_to text,
    request_hash text NOT NULL,
    created_at_ms bigint NOT NULL DEFAULT clock_ms(),
    updated_at_ms bigint NOT NULL DEFAULT clock_ms(),
    paid_at_ms bigint
);
CREATE INDEX orders_of_user ON orders (user_id, created_at_ms);
CREATE INDEX orders_of_show ON orders (show_id, created_at_ms);
CREATE INDEX orders_of_room ON orders (room_id, created_at_ms);
CREATE INDEX orders_waiting ON orders (created_at_ms) WHERE state = 'awaiting_payment';

CREATE TABLE order_lines (
    order_id uuid NOT NULL REFERENCES orders (id),
    reservation_id uuid NOT NULL REFERENCES reservations (id),
    sale_id uuid NOT NULL,
    item_id uuid NOT NULL,
    sku text NOT NULL,
    title text NOT NULL,
    title_zh text,
    qty integer NOT NULL CHECK (qty > 0),
    unit_price_minor bigint NOT NULL CHECK (unit_price_minor >= 0),
    PRIMARY KEY (order_id, reservation_id)
);
CREATE UNIQUE INDEX order_lines_one_per_reservation ON order_lines (reservation_id);
CREATE INDEX order_lines_of_item ON order_lines (item_id);

CREATE TABLE payments (
    id uuid PRIMARY KEY,
    order_id uuid NOT NULL REFERENCES orders (id),
    provider text NOT NULL,
    provider_ref text,
    url text,
    amount_minor bigint NOT NULL CHECK (amount_minor >= 0),
    currency text NOT NULL,
    state text NOT NULL CHECK (
        state IN ('created', 'authorised', 'captured', 'declined', 'voided', 'refunded')
    ),
    created_at_ms bigint NOT NULL DEFAULT clock_ms(),
    updated_at_ms bigint NOT NULL DEFAULT clock_ms(),
    authorised_at_ms bigint,
    polled_at_ms bigint NOT NULL DEFAULT 0,
    UNIQUE (provider, provider_ref)
);
CREATE INDEX payments_of_order ON payments (order_id);

CREATE TABLE payment_events (
    provider text NOT NULL,
    event_id text NOT NULL,
    payment_id uuid,
    type text NOT NULL,
    body text NOT NULL,
    received_at_ms bigint NOT NULL DEFAULT clock_ms(),
    PRIMARY KEY (provider, event_id)
);

-- Work owed to the provider; done only after the decision that asks for it is committed.
CREATE TABLE payment_calls (
    id uuid PRIMARY KEY,
    payment_id uuid NOT NULL REFERENCES payments (id),
    kind text NOT NULL CHECK (kind IN ('create', 'capture', 'void', 'refund')),
    state text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'done', 'failed')),
    attempts integer NOT NULL DEFAULT 0,
    next_at_ms bigint NOT NULL DEFAULT clock_ms(),
    last_error text,
    created_at_ms bigint NOT NULL DEFAULT clock_ms(),
    UNIQUE (payment_id, kind)
);
CREATE INDEX payment_calls_pending ON payment_calls (next_at_ms) WHERE state = 'pending';
