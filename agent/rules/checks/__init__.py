"""What `alertdrill explain` remarks on a rule."""
