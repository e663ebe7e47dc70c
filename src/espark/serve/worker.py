"""The worker process of the workbench: ``python -m espark.serve.worker STUDY [MODEL]``."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Mapping
from pathlib import Path

from espark.machine.processes import wait_for_end_of_parent
from espark.serve.accounts import Accounts
from espark.serve.jobs import Work, job_task, queue_of, run_job


def main(study: Path, model: Path | None) -> None:
    """Do the jobs of a study's workbench."""
    from espark.serve.correct.rerun import rerun
    from espark.serve.new_patient_job import prepare_new_patient
    from espark.serve.workbench import Workbench

    accounts = Accounts(study / "serve")
    workbench = Workbench(study, model, accounts)
    kinds: dict[str, Work] = {
        "rerun": lambda job, reporter: rerun(workbench, job, reporter),
        "new-patient": lambda job, reporter: prepare_new_patient(workbench, job, reporter),
    }
    work(study / "serve", accounts, kinds)


def work(folder: Path, accounts: Accounts, kinds: Mapping[str, Work]) -> None:
    """Do the jobs of the queue, one after the other, until the process that started this one ends.

    Args:
        folder: ``serve`` in the study folder.
        accounts: the database.
        kinds: what does each kind of job.
    """
    queue = queue_of(folder)
    threading.Thread(target=_end_with_parent, args=(os.getppid(),), daemon=True).start()
    job_task(queue, lambda job_id: run_job(accounts, job_id, kinds))
    queue.create_consumer(workers=1, worker_type="thread", periodic=False, initial_delay=0.1, max_delay=1.0).run()


def _end_with_parent(parent: int) -> None:
    """A workbench that was killed cannot end its worker, so the worker looks after it."""
    wait_for_end_of_parent(parent, 1.0)
    os._exit(1)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else None)
