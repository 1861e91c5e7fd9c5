"""The checks of `alertdrill explain` on a rule."""
