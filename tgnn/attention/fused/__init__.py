"""Faster executions of the definition, each proven equal to it by the laws; `executions.py` is the ordered list."""
