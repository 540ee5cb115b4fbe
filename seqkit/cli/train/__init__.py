"""`seqkit train`."""
