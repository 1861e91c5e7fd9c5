"""A fire drill for alerts.

The packages stand at the root of the repository; the links in this folder give them one import name.
"""

__version__ = "0.1.0"
