"""How a service stands by its KPIs: measured by Prometheus, judged by their objectives, beside earlier runs.

`card.py` and `trend.py` are pure; `measure.py` asks, `history.py` keeps, `command.py` puts them together.
"""
