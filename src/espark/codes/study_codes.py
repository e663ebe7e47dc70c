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
        "An item needs more memory than the machine has free",
        "The item was tried twice, the second time alone and with all the free memory. Either the system refused the "
        "memory, or it ended the process that worked on the item.",
        "Free memory, use fewer workers (`--workers 1`) or a larger machine, and run the command again. Finished "
        "items are kept.",
    ),
    Code(
        "E-STUDY-005",
        "The disk is full",
        "A file could not be written because the disk, or your quota on it, is full. No image is to blame, so the "
        "whole command stops. The message gives the free space and an upper estimate of what the study still needs.",
        "Free space, or move the study to a larger disk, and run the same command again. Finished work is kept, and "
        "the results are the same as without the interruption.",
    ),
    Code(
        "E-STUDY-006",
        "Nothing can be written into the study",
        "The study folder, or a folder in it, is read-only for you. espark writes everything that it makes into the "
        "study folder.",
        "Change the permissions, or copy the study to a folder that belongs to you.",
    ),
    Code(
        "D-STUDY-007",
        "The disk may be too small",
        "Less space is free than the study may need. The estimate is made from the sizes of the images and is on the "
        "high side.",
        "Free space, or move the study to a larger disk, before you start a long run.",
    ),
    Code(
        "E-STUDY-008",
        "A file of the study is damaged",
        "A file that espark wrote is incomplete, cannot be read, or was changed after it was written. Results that "
        "depend on it would be wrong.",
        "Run the command that the message names; it makes the file again.",
    ),
    Code(
        "E-STUDY-009",
        "Too few patients of a class have CT or slides",
        "Each model is trained on all folds but one, and what it is given there must belong to patients of both "
        "classes. With CT or slides of so few patients, one class would be missing.",
        "Add CTs or slides of more patients, or leave that kind of image out of the study.",
    ),
    Code(
        "E-STUDY-020",
        "The key table would be in the de-identified study",
        "The key table leads back to the patients. In the folder of the study it would be passed on with it.",
        "Name a file outside of the study with `--key`.",
    ),
    Code(
        "E-STUDY-021",
        "Others can read the key table",
        "The key table names the patients. Other users of the machine may read the file.",
        "Let only its owner read it: `chmod 600`.",
    ),
    Code(
        "E-STUDY-022",
        "The key table cannot be read",
        "The file is damaged, or it is not a key table of espark.",
        "Name the key table of the earlier run, or a new file.",
    ),
    Code(
        "E-STUDY-023",
        "The key table contradicts the list",
        "A patient has another id in the key table than in the list, or an id would belong to two patients.",
        "Use the same ids as in earlier runs, or another key table and another folder.",
    ),
    Code(
        "E-STUDY-024",
        "The folder of the de-identified study cannot be used",
        "The de-identified study would be inside the folder of the images, or the other way round.",
        "Name a folder of its own with `--out`.",
    ),
)
