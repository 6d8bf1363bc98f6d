-- The database's clock in Unix milliseconds, and the people who have a name here.

CREATE FUNCTION clock_ms() RETURNS bigint
LANGUAGE sql VOLATILE PARALLEL SAFE
AS $$ SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint $$;

CREATE TABLE users (
    id uuid PRIMARY KEY,
    name text NOT NULL CHECK (char_length(name) BETWEEN 1 AND 24),
    role text NOT NULL CHECK (role IN ('guest', 'host', 'moderator', 'operator')),
    avatar text,
    created_at_ms bigint NOT NULL DEFAULT clock_ms()
);

CREATE TABLE credentials (
    login text PRIMARY KEY CHECK (char_length(login) BETWEEN 1 AND 64),
    user_id uuid NOT NULL REFERENCES users (id),
    password_hash text NOT NULL,
    is_demo boolean NOT NULL DEFAULT false
);

-- Attempts that have not succeeded, kept for the minutes in which they slow the next one down.
CREATE TABLE login_failures (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    login text NOT NULL,
    address text NOT NULL,
    at_ms bigint NOT NULL DEFAULT clock_ms()
);
CREATE INDEX login_failures_recent ON login_failures (at_ms);
CREATE INDEX login_failures_of_address ON login_failures (address, at_ms);
