"""The seam between models and decoding: a torch model as a step function over plain arrays."""
