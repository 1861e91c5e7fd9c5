"""The recording of a drill: one file with all that it measured, from which it can be judged again."""
