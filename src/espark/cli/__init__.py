"""The command ``espark``: one thin command per step. Everything it does can be done from Python too.

Nothing heavy is imported before a step needs it, so that ``espark --help`` answers at once.
"""

from espark.cli.app import app, main

__all__ = ["app", "main"]
