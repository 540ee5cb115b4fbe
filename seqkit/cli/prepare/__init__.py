"""`seqkit prepare`."""
