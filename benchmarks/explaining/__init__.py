"""What `alertdrill explain` says of a rule, compared with what promtool makes of it."""
