CREATE TABLE account (
    id text PRIMARY KEY,
    balance numeric(18, 2) NOT NULL CHECK (balance >= 0)
);

CREATE TABLE ledger_entry (
    transaction_id uuid PRIMARY KEY,
    idempotency_key text UNIQUE,
    digest text NOT NULL,
    from_account text NOT NULL REFERENCES account,
    to_account text NOT NULL REFERENCES account,
    amount numeric(18, 2) NOT NULL,
    currency char(3) NOT NULL,
    description text NOT NULL,
    booked_at timestamptz NOT NULL DEFAULT now()
);

INSERT INTO account SELECT 'test-account-' || n, 1000000000 FROM generate_series(1, 100) AS n;

-- One payment in one transaction and one round trip: two balances and a ledger entry, or nothing.
-- Returns the transaction's id and what became of it: booked, replayed, conflict, account or funds.
CREATE FUNCTION book(
    new_id uuid, key text, new_digest text, payer text, payee text, sum numeric, currency text, words text
) RETURNS TABLE (id uuid, result text) LANGUAGE plpgsql AS $$
DECLARE
    earlier ledger_entry;
BEGIN
    IF key IS NOT NULL THEN
        SELECT * INTO earlier FROM ledger_entry WHERE idempotency_key = key;
        IF FOUND THEN
            RETURN QUERY SELECT earlier.transaction_id,
                CASE WHEN earlier.digest = new_digest THEN 'replayed' ELSE 'conflict' END;
            RETURN;
        END IF;
    END IF;
    -- Locked in the order of their names, so that two payments in opposite directions cannot deadlock.
    PERFORM 1 FROM account WHERE account.id IN (payer, payee) ORDER BY account.id FOR UPDATE;
    IF (SELECT count(*) FROM account WHERE account.id IN (payer, payee)) < 2 THEN
        RETURN QUERY SELECT new_id, 'account';
        RETURN;
    END IF;
    IF (SELECT balance FROM account WHERE account.id = payer) < sum THEN
        RETURN QUERY SELECT new_id, 'funds';
        RETURN;
    END IF;
    UPDATE account SET balance = balance - sum WHERE account.id = payer;
    UPDATE account SET balance = balance + sum WHERE account.id = payee;
    INSERT INTO ledger_entry (transaction_id, idempotency_key, digest, from_account, to_account, amount, currency, description)
        VALUES (new_id, key, new_digest, payer, payee, sum, currency, words);
    RETURN QUERY SELECT new_id, 'booked';
EXCEPTION WHEN unique_violation THEN
    RETURN QUERY SELECT new_id, 'conflict';
END $$;
