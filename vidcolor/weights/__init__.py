"""The default model and its card, as package data."""
