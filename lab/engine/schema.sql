CREATE TABLE IF NOT EXISTS accounts (
    id      text PRIMARY KEY,
    balance numeric(20, 2) NOT NULL CHECK (balance >= 0)
) WITH (fillfactor = 20);  -- room beside each row for its next versions: two rows take most of the updates

CREATE TABLE IF NOT EXISTS ledger_entries (
    id              uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    idempotency_key text UNIQUE,
    digest          text NOT NULL,
    from_account    text NOT NULL,
    to_account      text NOT NULL,
    payment_type    text NOT NULL,
    amount          numeric(20, 2) NOT NULL,
    currency        text NOT NULL,
    description     text NOT NULL,
    booked_at       timestamptz NOT NULL DEFAULT now()
);

INSERT INTO accounts SELECT 'test-account-' || n, 1000000000 FROM generate_series(1, 100) AS n ON CONFLICT DO NOTHING;

-- The whole payment in one call, so in one round trip: the row locks never wait for the network.
CREATE OR REPLACE FUNCTION book(
    the_key text, the_digest text, sender text, receiver text, kind text, sum_moved numeric, money text, words text,
    OUT outcome text, OUT transaction_id uuid, OUT at_time timestamptz
) LANGUAGE plpgsql AS $$
DECLARE
    known ledger_entries;
    locked integer;
BEGIN
    -- The key first, then the accounts in the order of their names: nobody waits in a circle.
    INSERT INTO ledger_entries
        (idempotency_key, digest, from_account, to_account, payment_type, amount, currency, description)
    VALUES (the_key, the_digest, sender, receiver, kind, sum_moved, money, words)
    ON CONFLICT (idempotency_key) DO NOTHING
    RETURNING id, booked_at INTO transaction_id, at_time;
    IF transaction_id IS NULL THEN
        SELECT * INTO known FROM ledger_entries WHERE idempotency_key = the_key;
        outcome := CASE WHEN known.digest = the_digest THEN 'booked' ELSE 'conflict' END;
        transaction_id := known.id;
        at_time := known.booked_at;
        RETURN;
    END IF;
    PERFORM 1 FROM accounts WHERE id IN (sender, receiver) ORDER BY id FOR UPDATE;
    GET DIAGNOSTICS locked = ROW_COUNT;
    IF locked < 2 THEN
        DELETE FROM ledger_entries WHERE id = transaction_id;
        outcome := 'unknown_account';
        RETURN;
    END IF;
    UPDATE accounts SET balance = balance - sum_moved WHERE id = sender AND balance >= sum_moved;
    IF NOT FOUND THEN
        DELETE FROM ledger_entries WHERE id = transaction_id;
        outcome := 'insufficient_funds';
        RETURN;
    END IF;
    UPDATE accounts SET balance = balance + sum_moved WHERE id = receiver;
    outcome := 'booked';
END $$;
