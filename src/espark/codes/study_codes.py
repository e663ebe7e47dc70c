"""Codes of the area STUDY."""

from __future__ import annotations

from espark.codes.code import Code

STUDY: tuple[Code, ...] = (
    Code(
        "D-STUDY-010",
        "A patient has the same image twice",
        "Two entries of the patient contain the same pixels. The tiles of such a slide would be used twice.",
        "Take one of the two out of cohort.csv.",
    ),
    Code(
        "E-STUDY-010",
        "Two patients share an image",
        "The same CT or slide is entered for two patients. If only one of them is a development "
        "patient, the model would be tested on an image from its training.",
        "Correct the paths in cohort.csv, or make one patient of the two rows.",
    ),
    Code(
        "N-STUDY-001",
        "A development patient has no label",
        "The patient cannot be used for training and gets no prediction, so the patient is left out.",
        "Enter the outcome in cohort.csv, or give the patient another role.",
    ),
    Code(
        "N-STUDY-002",
        "A patient has neither CT nor slide",
        "Nothing can be predicted for the patient.",
        "Enter a CT or slides in cohort.csv, or leave the patient out.",
    ),
    Code(
        "E-STUDY-003",
        "Another process is working on the study",
        "Two commands that write to one study at the same time would spoil each other's files. The message names the "
        "command, the process and the machine that are using the study.",
        "Wait until that command has ended, or stop it. The lock ends with the process, also after a crash.",
    ),
    Code(
        "E-STUDY-004",
        "A worker process was killed",
        "The system ended the process that worked on this item, twice; the second time it worked alone. Most often the "
        "machine ran out of memory.",
        "Free memory, use fewer workers (`--workers 1`) or a larger machine, and run the command again. Finished "
        "items are kept.",
    ),
)
