"""KPIs: measured by Prometheus, judged by their objectives, compared with earlier runs.

`card.py` and `phase_result.py` are pure; `measure.py` queries Prometheus; `earlier_runs.py` keeps the file of earlier runs.
"""
