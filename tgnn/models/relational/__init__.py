"""Models of several kinds of nodes and edges."""
