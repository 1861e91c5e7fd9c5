"""What a drill saw, in one file, from which it can be judged again."""
