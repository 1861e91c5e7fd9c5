"""Load: when each transaction is due, sending it then, counting what became of it."""
