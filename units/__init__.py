"""Types and functions that every other package may import; this package imports none of them."""
