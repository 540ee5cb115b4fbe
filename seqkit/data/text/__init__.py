"""Text from files: lines, documents and pairs, whatever the bytes are."""
