"""`seqkit generate`."""
