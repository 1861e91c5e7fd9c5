"""What `make` runs, and no user does."""
