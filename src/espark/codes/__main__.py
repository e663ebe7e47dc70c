"""``python -m espark.codes`` writes docs/codes.md again."""

from pathlib import Path

from espark.codes.page import codes_page

if __name__ == "__main__":
    Path("docs/codes.md").write_text(codes_page(), encoding="utf-8")
