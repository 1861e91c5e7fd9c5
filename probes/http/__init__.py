"""The HTTP probe: its settings, the lean client, and the client that uses aiohttp."""
