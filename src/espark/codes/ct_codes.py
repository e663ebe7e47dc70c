"""Codes of the area CT: whether an image can be read, its position, and whether it contains Hounsfield units."""

from __future__ import annotations

from espark.codes.code import Code

CT: tuple[Code, ...] = (
    Code(
        "D-CT-001",
        "The file does not give the orientation of the patient",
        "Both form codes of the NIfTI file are 0, or the NRRD file names no space. Left and right, head and feet "
        "are read as stored, and may be wrong.",
        "Convert the DICOM series again, for example with dcm2niix.",
    ),
    Code(
        "D-CT-002",
        "Bright values were cut off",
        "Many voxels have the highest value, which is between 300 and 2000 HU. Bone, metal and calcifications look "
        "alike. Soft tissue is not changed.",
        "Export the CT again without a window.",
    ),
    Code(
        "D-CT-003",
        "Series of one slice each were read as one volume",
        "Each slice has its own SeriesInstanceUID. Study, frame of reference, number and description of the series are "
        "the same, so they were joined.",
        "Look at the CT once. Anonymization should keep one SeriesInstanceUID for all slices of a volume.",
    ),
    Code(
        "D-CT-004",
        "Several series fit equally well",
        "Two or more series have the same length and number of slices, such as two phases of contrast or two kernels. "
        "Radiomic features differ between them.",
        "Name the series you mean as `ct_series`. Use the same kind of series for all patients.",
    ),
    Code(
        "D-CT-005",
        "The folder contains CTs of several patients",
        "A series was named and read, but other series of the folder belong to another patient.",
        "Give each patient a separate folder.",
    ),
    Code(
        "D-CT-006",
        "The CT series belong to several studies",
        "They have the same date or no date. They may come from one visit, or were anonymized separately.",
        "Check that all series are from before treatment.",
    ),
    Code(
        "D-CT-007",
        "qform and sform of the file differ",
        "The NIfTI header describes the place of the voxels twice, and differently. Programs that take the other form "
        "see the image elsewhere, turned or flipped, and so do masks that they write.",
        "Convert the DICOM series again, or set both forms to the right one, for example with "
        "`nibabel`: `image.set_qform(image.affine)`.",
    ),
    Code(
        "D-CT-008",
        "The body is unusually wide or narrow",
        "The widest piece of tissue is under 100 or over 700 mm wide. The spacing of the voxels may be wrong. Then "
        "every volume and every feature of shape and texture is wrong too.",
        "Compare the spacing with the DICOM series. A narrow body may be right if the CT shows only the neck.",
    ),
    Code(
        "D-CT-009",
        "The affine is the identity",
        "Programs write voxels of 1 × 1 × 1 mm that begin at the origin when they do not know the geometry, such as "
        "`nibabel.Nifti1Image(array, np.eye(4))`.",
        "Write the file again with the affine of the DICOM series.",
    ),
    Code(
        "D-CT-010",
        "A part of the image was blanked out with 0",
        "Far more voxels are exactly 0 HU than have a value beside it. 0 is water, not air: a program may have filled "
        "what lies outside a mask, or outside the image after resampling.",
        "Fill with −1000 instead of 0, or give the CT as it was. Check that no region touches the blank part.",
    ),
    Code(
        "E-CT-001",
        "Some voxels do not contain a number",
        "The file contains NaN or infinity.",
        "Export the CT again from the DICOM series.",
    ),
    Code(
        "E-CT-002",
        "The values are gray levels of a picture",
        "All values lie in 256 gray levels, as in a windowed picture. Hounsfield units cannot be recovered from it.",
        "Export the DICOM series itself, not pictures of it.",
    ),
    Code(
        "E-CT-003",
        "The values were standardized or scaled",
        "All values lie within a span of 50. This happens when the mean is subtracted and the result is divided by the "
        "standard deviation, values are scaled to 0–1, or the file is a mask.",
        "Give the original CT, before this step.",
    ),
    Code(
        "E-CT-004",
        "Hounsfield units plus 1024",
        "Soft tissue is near 1064 and air near 24: the rescale intercept of the header was never added.",
        "Export the CT again, with rescale slope and intercept applied once.",
    ),
    Code(
        "E-CT-005",
        "Hounsfield units minus 1024",
        "Soft tissue is near −984: the values were Hounsfield units already when the rescale intercept was added.",
        "Export the CT again. If the DICOM pixels themselves contain Hounsfield units, set RescaleIntercept to 0.",
    ),
    Code(
        "E-CT-006",
        "Values were cut off",
        "All values beyond a limit were set to that limit, often for display or for a network. True values are lost.",
        "Give the original CT, before this step.",
    ),
    Code(
        "E-CT-007",
        "There is no air in the image",
        "No value is near −1000. The image may be an MR, a PET or a picture, or its values may have been scaled.",
        "Check that the file is a CT, and export it again from the DICOM series.",
    ),
    Code(
        "E-CT-008",
        "The values do not match air, fat and soft tissue",
        "The modes of the histogram do not lie near −1000, −100 and 40: the values were shifted or scaled.",
        "Export the CT again, with rescale slope and intercept applied once.",
    ),
    Code(
        "E-CT-009",
        "The image contains only air",
        "No value is above −200.",
        "Export the CT again, with rescale slope and intercept applied once.",
    ),
    Code(
        "E-CT-010",
        "The range of the values is too wide",
        "More than 1 % of the values are above 4000, or some are below −10 000: the values were scaled, or negative "
        "ones were stored as large positive ones.",
        "Export the CT again as signed numbers, with rescale slope and intercept applied once.",
    ),
    Code(
        "E-CT-011",
        "The file or folder is missing",
        "There is nothing at the path that was given.",
        "Check the path in cohort.csv; paths are relative to its folder.",
    ),
    Code(
        "E-CT-012",
        "There is no CT image",
        "The folder is empty or contains other files, such as MR, PET or pictures.",
        "Give the folder with the DICOM files of a CT series, or a NIfTI or NRRD file.",
    ),
    Code(
        "E-CT-013",
        "A DICOM file is damaged or unusual",
        "The file is cut off, its content does not match its name, or its pixels do not match its header.",
        "Copy it again from the archive, or take it out of the folder if it does not belong there.",
    ),
    Code(
        "E-CT-014",
        "The header does not give the position of a slice",
        "Position, orientation or pixel size is missing or impossible.",
        "Export the original series from the archive.",
    ),
    Code(
        "E-CT-015",
        "The header does not lead to Hounsfield units",
        "Rescale slope or intercept is missing or impossible, or the pixels are not gray values.",
        "Export the original series from the archive.",
    ),
    Code(
        "E-CT-016",
        "There is only one slice",
        "A CT needs at least two slices.",
        "Give the folder that contains all slices of the series.",
    ),
    Code(
        "E-CT-017",
        "The named series does not exist, or is not unique",
        "No CT series of the folder has this UID, number or description, or several have it.",
        "Name a series from the list in the message.",
    ),
    Code(
        "E-CT-018",
        "The largest series cannot be used",
        "The folder contains a usable series too, but a much larger one is broken. The larger one was probably meant.",
        "Repair the large series, or name the other series as `ct_series`.",
    ),
    Code(
        "E-CT-019",
        "A series contains slices of different geometry",
        "Size, spacing, orientation or rescale are not the same in all slices.",
        "Take the slices that do not belong there out of the folder, or export the whole series again.",
    ),
    Code(
        "E-CT-020",
        "Different slices have the same position",
        "One series contains several phases, acquisitions or reconstructions.",
        "Export the one you mean as a separate series.",
    ),
    Code(
        "E-CT-021",
        "Slices are missing",
        "The slices lie at even distances, but some positions are empty.",
        "Export the whole series again from the archive.",
    ),
    Code(
        "E-CT-022",
        "The slice distance changes",
        "Slices do not lie at even distances, so there is no grid of voxels.",
        "Export a reconstruction with one slice distance, or resample the series and give the result as NIfTI.",
    ),
    Code(
        "E-CT-023",
        "The slices are shifted against each other",
        "The gantry was tilted, so the voxels do not form an upright grid.",
        "Have the series reconstructed without tilt, or resample it to an upright grid and give that file.",
    ),
    Code(
        "E-CT-024",
        "An image file cannot be read",
        "The file is neither NIfTI nor NRRD, or it is damaged.",
        "Copy or export it again.",
    ),
    Code(
        "E-CT-025",
        "The image is not one volume of gray values",
        "It has more or fewer than three dimensions, or several values in each voxel.",
        "Save the volume you mean in a separate file.",
    ),
    Code(
        "E-CT-026",
        "CTs of several patients are mixed",
        "PatientID, birth date or sex differ between the series of a folder, or between the slices of one series. The "
        "message names the series, never the patients.",
        "Give each patient a separate folder, or name the series you mean as `ct_series`.",
    ),
    Code(
        "E-CT-027",
        "CTs of several visits are mixed",
        "The series belong to studies of different dates, such as before and after treatment. espark cannot know "
        "which one is meant.",
        "Name the series from before treatment as `ct_series`, or take the others out of the folder.",
    ),
    Code(
        "E-CT-028",
        "Every slice is a separate series",
        "Each file has its own SeriesInstanceUID, and the headers do not prove that they form one volume.",
        "Export the series again, or convert it to one NIfTI file (`dcm2niix -m y`) and give that.",
    ),
    Code(
        "E-CT-029",
        "A series was put together from several series",
        "Its slices have several frames of reference, so they do not share one coordinate system.",
        "Export the series again from the archive.",
    ),
    Code(
        "E-CT-030",
        "There is no body in the image",
        "The segmenter found no tissue large enough for a body.",
        "Check that the CT shows the chest.",
    ),
    Code(
        "E-CT-031",
        "The axes of the voxels are not at right angles",
        "The affine of the NIfTI file is sheared, from a tilted gantry or from rounding.",
        "Resample CT and masks to an upright grid (3D Slicer: Resample Scalar Volume; "
        "`nibabel.processing.resample_to_output`), or convert the DICOM series again with dcm2niix.",
    ),
    Code(
        "E-CT-032",
        "A body of this size is impossible",
        "The body would be under 50 or over 1000 mm wide: the spacing is in cm or m, or was lost.",
        "Export the CT again from the DICOM series, with the spacing in mm.",
    ),
    Code(
        "E-CT-033",
        "The header gives two sizes of a voxel",
        "`pixdim` and the sform of the NIfTI file differ. Every volume would be wrong with one of them.",
        "Write the file again with the affine of the DICOM series, such as with dcm2niix.",
    ),
    Code(
        "N-CT-001",
        "Other files were ignored",
        "The folder contains files that are not CT images.",
        "Nothing needs to be done, unless one of them was meant to be read.",
    ),
    Code(
        "N-CT-002",
        "The named series was read",
        "The folder contains several CT series, and cohort.csv, the contours or the segmentation name one.",
    ),
    Code(
        "N-CT-003",
        "One of several series was chosen",
        "The folder contains several CT series and none was named. Original series come before derived ones, axial "
        "before other planes, then the longest series, then the series with most slices.",
        "Check that it is the series you mean. If not, name the right one as `ct_series` in cohort.csv.",
    ),
    Code(
        "N-CT-004",
        "The pixels have lossy compression",
        "Lossy compression changes Hounsfield units slightly and smooths texture.",
        "Use the uncompressed series if it still exists.",
    ),
    Code(
        "N-CT-005",
        "Scout views were ignored",
        "The series contains localizer images besides its slices.",
    ),
    Code(
        "N-CT-006",
        "Slices that appear twice were used once",
        "Two slices have the same position and the same pixels. This happens when a folder is copied twice.",
    ),
)
