"""Pictures of the dashboards: results of their queries, drawn by Grafana's own libraries.

``python -m grafana.preview`` writes docs/pictures/dashboards/<uid>.png (needs node and Chromium).
"""
