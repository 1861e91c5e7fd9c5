"""A Toxiproxy server in Python, for machines without the real one: the API, the errors and the toxics of 2.12.0.

The way of the data: `proxy` accepts and dials, `connection` has two `link`s, one for each direction, a link has a `stage`
for each toxic, and a `channel` leads from one stage to the next. Each toxic has a file of its own name.
"""

VERSION = "2.12.0"
