"""The data that transactions carry: templates, drawn numbers, rows of CSV files."""
