"""Figures and pictures of how good a model or a film is. Empty until ``vidcolor evaluate`` comes."""
