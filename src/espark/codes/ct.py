"""Codes of the area CT: whether an image can be read, where it lies, and whether it holds Hounsfield units."""

from __future__ import annotations

from espark.codes.code import Code

CT: tuple[Code, ...] = (
    Code(
        "D-CT-001",
        "The file does not say how the patient lies",
        "Both form codes of the NIfTI file are 0, or the NRRD file names no space. Left and right, head and feet are "
        "taken as stored, and may be wrong.",
        "Convert the DICOM series again, for example with dcm2niix.",
    ),
    Code(
        "N-CT-001",
        "Other files were left aside",
        "The folder holds files that are not CT images.",
        "Nothing needs to be done, unless one of them was meant to be read.",
    ),
    Code(
        "N-CT-002",
        "The series that was named was read",
        "The folder holds several CT series, and cohort.csv, the contours or the segmentation name one.",
    ),
    Code(
        "N-CT-003",
        "One of several series was chosen",
        "The folder holds several CT series and none was named. Original goes before derived, axial before other "
        "planes, then the longest and that of most slices.",
        "Check that it is the one you mean. If not, name the right one as `ct_series` in cohort.csv.",
    ),
    Code(
        "N-CT-004",
        "The pixels were compressed with loss",
        "Compression with loss changes Hounsfield units slightly and smooths texture.",
        "Use the uncompressed series where it still exists.",
    ),
    Code(
        "N-CT-005",
        "Scout views were left aside",
        "The series holds localizer images beside its slices.",
    ),
    Code(
        "N-CT-006",
        "Slices that appear twice were used once",
        "Two slices lie in the same place and have the same pixels, as after copying a folder twice.",
    ),
)
