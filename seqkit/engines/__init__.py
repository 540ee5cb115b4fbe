"""The seam between models and decoding: what extends sequences, with torch and without."""
