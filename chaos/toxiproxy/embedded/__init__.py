"""A Toxiproxy server in Python, for machines without the real one: the API, the errors and the toxics of 2.12.0.

From a connection to a byte: `proxy` accepts and dials, `connection` has two `link`s, one for each direction, a link has
a `stage` for each toxic, and a `channel` leads from one stage to the next. What a toxic does is in the file of its name.
"""

VERSION = "2.12.0"
