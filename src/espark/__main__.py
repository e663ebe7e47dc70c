"""``python -m espark``."""

from espark.cli import main

main()
