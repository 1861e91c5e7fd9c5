"""Load: the due times of transactions, sending them, and counting their outcomes."""
