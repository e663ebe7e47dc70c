"""Whether the pixels of an image may show a name."""

from __future__ import annotations

import numpy as np
import pydicom
from pydicom.uid import VLWholeSlideMicroscopyImageStorage
from scipy import ndimage

from espark.types import AnyArray

_LETTER_PX = (5, 48)
"""Height of a burnt-in letter."""
_FEWEST_LETTERS = 5
_MOST_MARKED = 0.2
_SLACK = 0.35
_DERIVED_PICTURES = {"SCREEN SAVE", "SCREENSHOT", "REPORT", "DOSE_INFO"}
_BEST_FILL = 0.95


def reason_in_header(header: pydicom.Dataset) -> str:
    """Why the header makes one expect text in the pixels; empty when it does not."""
    kinds = {str(part).upper() for part in header.get("ImageType") or ()}
    is_slide = header.get("SOPClassUID") == VLWholeSlideMicroscopyImageStorage
    if str(header.get("BurnedInAnnotation") or "").upper() == "YES":
        return "its header says that text is burnt in"
    if kinds & _DERIVED_PICTURES:
        return "it is a picture of a screen or a report"
    if is_slide and ("VOLUME" not in kinds or str(header.get("SpecimenLabelInImage") or "").upper() == "YES"):
        return "it is a label, an overview or a thumbnail of a slide, not the scanned tissue"
    if not is_slide and int(header.get("SamplesPerPixel") or 1) > 1:
        return "it is a CT in color, as pictures of a screen are"
    return ""


def looks_like_text(picture: AnyArray) -> bool:
    """Whether a gray picture shows a line of letters of the brightest value.

    Letters are burnt in with one value, the highest of the picture: at least five small shapes of similar height on one
    line, close to each other. This is a simple test: text in gray, or text over bone of the same value, is not found.

    Args:
        picture: (rows, columns) of any numbers.
    """
    brightest = picture == picture.max()
    if brightest.mean() > _MOST_MARKED:
        return False
    labels, count = ndimage.label(brightest, structure=np.ones((3, 3)))
    if count < _FEWEST_LETTERS:
        return False
    letters = []
    for number, (rows, columns) in enumerate(ndimage.find_objects(labels), start=1):
        height, width = rows.stop - rows.start, columns.stop - columns.start
        if _LETTER_PX[0] <= height <= _LETTER_PX[1] and width <= 2 * height:
            fill = (labels[rows, columns] == number).mean()
            if fill < _BEST_FILL or width < height / 2:
                letters.append((rows.start, columns.start, height, width))
    return any(_in_line(letters, first) >= _FEWEST_LETTERS for first in letters)


def _in_line(letters: list[tuple[int, int, int, int]], first: tuple[int, int, int, int]) -> int:
    """Number of letters in the line that begins with a letter."""
    top, left, height, width = first
    count, end = 1, left + width
    for other_top, other_left, other_height, other_width in sorted(letters, key=lambda letter: letter[1]):
        similar = abs(other_height - height) <= _SLACK * height and abs(other_top - top) <= _SLACK * height
        if similar and other_left >= end and other_left - end <= 2 * height:
            count, end = count + 1, other_left + other_width
    return count
