"""`seqkit translate`."""
