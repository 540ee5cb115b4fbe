"""Raw text to a corpus directory."""
