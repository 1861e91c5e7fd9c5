"""The gate of a pull request: which alerts were proven with the rules that they have now, and how long ago."""
