"""The step of a model in exact integers, without PyTorch."""
