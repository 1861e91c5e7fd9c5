"""Load alone: sent, shown, judged by its thresholds."""
