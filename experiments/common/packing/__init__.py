"""Many small things in batches of one shape, or of a few: graphs as a disjoint union, sequences in rows of slots."""
