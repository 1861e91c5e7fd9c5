CREATE TABLE IF NOT EXISTS accounts (
    id      text PRIMARY KEY,
    balance numeric(20, 2) NOT NULL CHECK (balance >= 0)
) WITH (fillfactor = 20);  -- room for new versions of a row on the same page: two rows get most of the updates

CREATE TABLE IF NOT EXISTS payments (
    id              uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    idempotency_key text UNIQUE,
    digest          text NOT NULL,
    from_account    text NOT NULL,
    to_account      text NOT NULL,
    payment_type    text NOT NULL,
    amount          numeric(20, 2) NOT NULL,
    fee             numeric(20, 2) NOT NULL,
    currency        text NOT NULL,
    tenant          text NOT NULL,
    description     text NOT NULL,
    booked_at       timestamptz NOT NULL DEFAULT now(),
    settled_at      timestamptz
);

-- The sum of all fees, spread over rows: with a single row, every payment would wait for its lock.
CREATE TABLE IF NOT EXISTS fee_income (
    part    integer PRIMARY KEY,
    balance numeric(20, 2) NOT NULL CHECK (balance >= 0)
) WITH (fillfactor = 20);

INSERT INTO fee_income SELECT n, 0 FROM generate_series(0, 63) AS n ON CONFLICT DO NOTHING;
INSERT INTO accounts SELECT 'test-account-' || n, 1000000000 FROM generate_series(1, 100) AS n ON CONFLICT DO NOTHING;

-- Books a payment in one call, so in one round trip: no row stays locked while the network is slow.
CREATE OR REPLACE FUNCTION book(
    the_key text, the_digest text, sender text, receiver text, kind text, sum_moved numeric, sum_charged numeric,
    money text, words text, client text,
    OUT outcome text, OUT transaction_id uuid, OUT at_time timestamptz
) LANGUAGE plpgsql AS $$
DECLARE
    known payments;
    locked integer;
BEGIN
    -- Lock the key first, then the accounts in the order of their names: this order excludes deadlocks.
    INSERT INTO payments
        (idempotency_key, digest, from_account, to_account, payment_type, amount, fee, currency, description, tenant)
    VALUES (the_key, the_digest, sender, receiver, kind, sum_moved, sum_charged, money, words, client)
    ON CONFLICT (idempotency_key) DO NOTHING
    RETURNING id, booked_at INTO transaction_id, at_time;
    IF transaction_id IS NULL THEN
        SELECT * INTO known FROM payments WHERE idempotency_key = the_key;
        outcome := CASE WHEN known.digest = the_digest THEN 'repeated' ELSE 'conflict' END;
        transaction_id := known.id;
        at_time := known.booked_at;
        RETURN;
    END IF;
    PERFORM 1 FROM accounts WHERE id IN (sender, receiver) ORDER BY id FOR UPDATE;
    GET DIAGNOSTICS locked = ROW_COUNT;
    IF locked < 2 THEN
        DELETE FROM payments WHERE id = transaction_id;
        outcome := 'unknown_account';
        RETURN;
    END IF;
    UPDATE accounts SET balance = balance - sum_moved - sum_charged
    WHERE id = sender AND balance >= sum_moved + sum_charged;
    IF NOT FOUND THEN
        DELETE FROM payments WHERE id = transaction_id;
        outcome := 'insufficient_funds';
        RETURN;
    END IF;
    UPDATE accounts SET balance = balance + sum_moved WHERE id = receiver;
    UPDATE fee_income SET balance = balance + sum_charged WHERE part = pg_backend_pid() % 64;
    outcome := 'booked';
END $$;
