"""The fault in PostgreSQL: connections taken, tables locked."""
