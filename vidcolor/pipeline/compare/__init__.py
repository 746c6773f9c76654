"""Two films as one video."""
