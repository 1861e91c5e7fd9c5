"""What `regress run` and `gate` tell a CI server: one list of checks, in the forms that the servers read."""
