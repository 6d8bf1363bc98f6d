-- The pretend payment provider's own tables. Nothing of the shop reads or writes them: the two
-- speak by HTTP and signed webhooks alone.

CREATE SCHEMA sandbox;

CREATE TABLE sandbox.payments (
    id text PRIMARY KEY,
    page_key text NOT NULL UNIQUE,
    reference text NOT NULL UNIQUE,
    order_reference text NOT NULL,
    amount_minor bigint NOT NULL CHECK (amount_minor >= 0),
    currency text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    return_path text NOT NULL,
    state text NOT NULL CHECK (
        state IN ('created', 'authorised', 'captured', 'declined', 'voided', 'refunded')
    ),
    created_at_ms bigint NOT NULL DEFAULT clock_ms(),
    updated_at_ms bigint NOT NULL DEFAULT clock_ms()
);

CREATE TABLE sandbox.webhooks (
    id text PRIMARY KEY,
    payment_id text NOT NULL REFERENCES sandbox.payments (id),
    body text NOT NULL,
    state text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'delivered', 'given_up')),
    attempts integer NOT NULL DEFAULT 0,
    next_at_ms bigint NOT NULL DEFAULT clock_ms(),
    created_at_ms bigint NOT NULL DEFAULT clock_ms()
);
CREATE INDEX webhooks_pending ON sandbox.webhooks (next_at_ms) WHERE state = 'pending';
