"""The servers that the lab starts."""
