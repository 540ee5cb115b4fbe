"""The version alone, so that nothing below imports the package's public names."""

__version__ = "0.9.0"
