"""The page of the docs that explains every code."""

from __future__ import annotations

from espark.codes import CODES
from espark.codes.code import Area, Kind

AREAS: dict[Area, str] = {
    "CT": "CT images",
    "REGION": "Tumor, esophagus and the ring around the tumor",
    "SLIDE": "Slides",
    "TABLE": "Tables",
    "FEATURE": "Features from elsewhere",
    "STUDY": "The study as a whole",
    "MODEL": "Models",
}
KINDS: dict[Kind, str] = {"E": "Errors", "D": "Doubts", "N": "Notes"}

_HEAD = """\
# Codes of errors, doubts and notes

Every doubt and every note about an input has a code, and so do nearly all errors about CTs, regions, slides and tables.
Errors about settings, models and other programs usually have none: their message contains what to do. The first letter
of a code shows how serious the message is:

- **E**, an error: the input is refused, because a result from it would be wrong or would have no meaning.
- **D**, a doubt: the input is used, but something about it is unusual. A person should check it.
- **N**, a note: the input is used. The note gives a decision of espark that you should know.

A code appears in brackets after its message, in the column `codes` of `prepared/status.csv`, in the records under
`prepared/records`, in `espark check --json` and in the reports. A code never changes its meaning.

`python -m espark.codes` makes this page from `src/espark/codes`.
"""


def codes_page() -> str:
    """The page as Markdown, with errors, doubts and notes of each area."""
    parts = [_HEAD]
    for area, title in AREAS.items():
        for kind, plural in KINDS.items():
            found = [code for key, code in sorted(CODES.items()) if key.startswith(f"{kind}-{area}-")]
            if found:
                parts.append(f"## {title}: {plural.lower()}\n")
                parts += [
                    f"### {code.key}\n\n**{code.title}.** {code.meaning}\n\n*What to do:* {code.mend}\n"
                    for code in found
                ]
    return "\n".join(parts)
