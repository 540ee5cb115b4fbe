"""What the cells of a generator do."""
