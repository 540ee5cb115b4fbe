"""Batches in, a better model out."""
