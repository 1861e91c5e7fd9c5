"""The commands, a file for each kind; what a command needs is imported when it runs."""
