"""The fault in PostgreSQL: fill the connections, lock a table, kill connections."""
