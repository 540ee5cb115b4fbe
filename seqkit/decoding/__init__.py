"""From a stepper to sequences. Nothing here knows a model, a text or torch: arrays are numpy's."""
