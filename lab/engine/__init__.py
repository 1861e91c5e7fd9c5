"""The payment engine that the lab watches: an HTTP service over PostgreSQL and Redis, in a process of its own."""
