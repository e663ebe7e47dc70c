"""What is likely to be asked for is made in advance, one case after the other: CT, thumbnails, answer."""

from __future__ import annotations

import logging
import threading

from espark.errors import EsparkError
from espark.serve.case_answer import AnswerShelf
from espark.serve.case_view import kept_answer
from espark.serve.images.ct_planes import CtShelf
from espark.serve.images.slide_tiles import SlideShelf
from espark.serve.images.thumbnails import Thumbnails
from espark.serve.workbench import Workbench

logger = logging.getLogger("espark.serve")

_PAUSE = 0.2
_REST = 30.0


class Warming:
    """A thread that goes through the cases, and looks for new ones from time to time.

    Args:
        workbench: the open study.
        cts: opened CTs.
        slides: opened slides.
        thumbnails: the small pictures.
    """

    def __init__(self, workbench: Workbench, cts: CtShelf, slides: SlideShelf, thumbnails: Thumbnails):
        self.workbench, self.cts, self.slides, self.thumbnails = workbench, cts, slides, thumbnails
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True, name="warming")

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End after the case that is being made."""
        self._stopping.set()

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                for case in list(self.workbench.cases()):
                    if self._stopping.wait(_PAUSE):
                        return
                    self._make(case.patient_id)
            except (EsparkError, OSError) as error:
                logger.debug("nothing was made in advance: %s", error)
            self._stopping.wait(_REST)

    def _make(self, patient_id: str) -> None:
        case = self.workbench.case(patient_id)
        try:
            kept_answer(self.workbench, AnswerShelf(self.workbench), case, self.cts, "answer")
            self.thumbnails.draw(case, self.cts, self.slides)
        except (EsparkError, OSError) as error:
            # The case itself says what is wrong with it, as soon as a person opens it.
            logger.debug("%s: %s", patient_id, error)
