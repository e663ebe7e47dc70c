"""A worker whose jobs only sleep: ``python sleeping_worker.py FOLDER``."""

import sys
import time
from pathlib import Path

from espark.errors import InputError
from espark.serve.accounts import Accounts
from espark.serve.worker import work


def sleep(job, reporter):
    """Sleep in steps of a tenth of a second, as many as the job asks for."""
    with reporter.track("sleeping", job.options["steps"]) as advance:
        for _ in range(job.options["steps"]):
            time.sleep(0.1)
            advance()
    return {"slept": job.options["steps"]}


def fail(job, reporter):
    """Fail as an input does."""
    raise InputError("the CT is a picture of a cat", action="Give a CT.")


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    work(folder, Accounts(folder), {"sleep": sleep, "fail": fail})
