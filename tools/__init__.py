"""Programs for `make`, not for users."""
