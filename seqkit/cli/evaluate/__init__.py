"""`seqkit evaluate`."""
