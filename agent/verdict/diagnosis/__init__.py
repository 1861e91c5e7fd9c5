"""Why an alert did not fire, or its receiver was not notified."""
