"""A film's shots at a glance, in colour, from a few of its frames."""
