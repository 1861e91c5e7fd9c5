"""The payment engine and the real servers around it, started on this machine and gone with the lab."""
