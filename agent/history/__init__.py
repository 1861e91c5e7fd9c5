"""The history: a database made from the recordings and the journal of occurrences, which can be made again at any time."""
