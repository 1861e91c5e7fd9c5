"""The lab's payment engine: an HTTP service that uses PostgreSQL and Redis, in a separate process."""
