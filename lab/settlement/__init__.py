"""Settles booked payments: consumes the topic to which the engine publishes them."""
