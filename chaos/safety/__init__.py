"""The certainty that a fault goes: the ledger, the undo, the watchdog."""
