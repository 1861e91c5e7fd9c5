"""What is asked of an answer."""
