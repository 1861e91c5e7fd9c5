"""The review: many drills together."""
