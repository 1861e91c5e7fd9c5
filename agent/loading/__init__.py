"""A load without a drill: it is sent, shown live and judged by its thresholds."""
