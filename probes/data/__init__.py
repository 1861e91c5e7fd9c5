"""The data in transactions: templates, random numbers, rows of CSV files."""
