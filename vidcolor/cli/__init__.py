"""The command line: parse, check, call, report. The only place that prints or exits."""

from vidcolor.cli.app import main

__all__ = ["main"]
