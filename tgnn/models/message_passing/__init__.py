"""Graph neural networks of neighbours."""
