"""A run told on one page of HTML: curves, settings, samples, attention or cells, statistics of the text."""

import logging

# What draws the charts would talk of fonts, and of where it keeps its list of them.
logging.getLogger("matplotlib").setLevel(logging.ERROR)
