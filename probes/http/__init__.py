"""HTTP transactions: the lean client of the steady load, and the one of aiohttp."""
