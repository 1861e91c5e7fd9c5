"""The payment engine of the lab: a small service that does real work with PostgreSQL and Redis."""
