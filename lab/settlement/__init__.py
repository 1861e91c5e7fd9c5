"""Settles booked payments: a consumer of the topic to which the engine publishes them."""
