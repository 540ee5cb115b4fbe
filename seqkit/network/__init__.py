"""The network as data, for what builds it, checks its file or computes it in whole numbers."""
