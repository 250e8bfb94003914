"""Transformers on sequences, by pattern."""
