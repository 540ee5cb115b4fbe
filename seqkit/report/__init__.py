"""A run told on one page of HTML: curves, settings, samples, attention or cells, statistics of the text."""
