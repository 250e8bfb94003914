"""Transformers on graphs."""
