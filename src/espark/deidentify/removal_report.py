"""The report on a de-identification, without a single value that was removed."""

from __future__ import annotations

from collections import Counter

from espark.deidentify.profile import EDITION
from espark.deidentify.written_images import Outcome

_HEAD = """\
# De-identification

{patients} patients, {written} files written, {held_back} files held back.

- **Profile:** Basic Application Level Confidentiality Profile of DICOM PS3.15 ({edition}), with moved dates
  (113107){characteristics}. Private attributes are removed, and so is every text that espark does not need.
- **Dates** of a patient are all moved by the same number of days, one to ten years into the past. Times of day are
  replaced by midnight.
- **UIDs** are replaced, the same ones everywhere in the study.
- **Labels, overviews and thumbnails** of slides are not copied.
- **Burnt-in text:** CTs were searched for lines of bright letters. Slides were not searched: look for handwriting on
  the glass.
- The key table leads back to the patients. It also names the files that were held back, by the numbers below.
"""


def report_text(outcome: Outcome, *, patients: int, characteristics: bool) -> str:
    """The report as Markdown.

    Args:
        outcome: what was done.
        patients: number of patients.
        characteristics: whether sex, age, size and weight were kept.
    """
    kept = " and with sex, age, size and weight (113108)" if characteristics else ""
    held_back = outcome.held_back
    lines = [
        _HEAD.format(
            patients=patients, written=outcome.written, held_back=len(held_back), edition=EDITION, characteristics=kept
        )
    ]
    if held_back:
        lines += ["## Held back\n", "| Number | Reason |", "|---|---|"]
        lines += [f"| {number} | {reason} |" for number, reason in enumerate(held_back, start=1)]
        lines.append("")
    if outcome.notes:
        lines += ["## Left out of slides\n", *(f"- {n} × {what}" for what, n in Counter(outcome.notes).items()), ""]
    lines += ["## Attributes\n", "| Attribute | What was done | Times |", "|---|---|---|"]
    done = sorted(outcome.account.done.items(), key=lambda item: (item[0][1], item[0][0]))
    lines += [f"| {name} | {action} | {times} |" for (action, name), times in done]
    return "\n".join(lines) + "\n"
