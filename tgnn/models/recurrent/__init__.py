"""Networks with a state that moves along edges."""
