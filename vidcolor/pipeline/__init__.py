"""One film from beginning to end, and many films."""
