"""Sections of ``accuracy.py``: each has ``run(session)``, which prints and returns numbers."""
