"""Codes of the area REGION: masks, contours and segments of tumor and esophagus."""

from __future__ import annotations

from espark.codes.code import Code

REGION: tuple[Code, ...] = (
    Code(
        "D-REGION-001",
        "An automatic region is doubtful and was left out",
        "Its size, surroundings or position do not fit an esophagus or its tumor, or the segmenter is not certain.",
        "Outline the region by hand and give the mask.",
    ),
    Code(
        "D-REGION-002",
        "Contours lie outside the CT",
        "The region reaches beyond the first or last slice of the CT, or beyond the edge of its slices. Only the part "
        "inside was used, so volume and length are too small.",
        "Give the CT on which the region was drawn, at its full length.",
    ),
    Code(
        "D-REGION-003",
        "The contours leave wide gaps",
        "More than two planes are missing between two parts that lie above each other. The gap stays empty, as if "
        "there were two lesions.",
        "Look at the region. Draw the missing planes if the parts belong together.",
    ),
    Code(
        "D-REGION-004",
        "Region and CT have different PatientIDs",
        "The contours or segments may belong to another patient, or were anonymized apart from the CT.",
        "Check that they belong together.",
    ),
    Code(
        "D-REGION-005",
        "A region has an unusual size",
        "Volume, length from head to feet or axial diameter are outside the usual range. The mask may show "
        "a different structure or only a part of the region, or its spacing may be wrong.",
        "Look at the region. If it is right, nothing needs to be done.",
    ),
    Code(
        "D-REGION-006",
        "A region contains unusual tissue",
        "Much of it is air, lung, fat, bone, metal or contrast medium. Neither the wall of the esophagus nor a tumor "
        "consists of these.",
        "Check that the region belongs to this CT, is in the right position, and was not flipped.",
    ),
    Code(
        "D-REGION-007",
        "A region is surrounded by lung",
        "The esophagus and its tumors border on the lung only in part. A region inside the lung is probably not a "
        "tumor of the esophagus.",
        "Check that the region is the tumor of the esophagus.",
    ),
    Code(
        "D-REGION-008",
        "A region lies far from where the esophagus is",
        "The esophagus lies within a few centimetres of the middle of the body and, in the chest, behind the heart and "
        "in front of the spine.",
        "Check that the region belongs to this CT and that neither left and right nor front and back were swapped.",
    ),
    Code(
        "D-REGION-009",
        "The tumor lies outside the esophagus",
        "More than half of the tumor is not part of the esophagus that was given.",
        "Check both masks. The esophagus is the whole organ with the tumor in it.",
    ),
    Code(
        "D-REGION-010",
        "The esophagus is not larger than the tumor",
        "All of the esophagus lies inside the tumor. The two columns may have been swapped.",
        "Check `esophagus_mask` and `tumor_mask` in cohort.csv. The esophagus is the whole organ with the tumor in it.",
    ),
    Code(
        "D-REGION-011",
        "A region consists of separate parts",
        "The largest part contains less than 70 % of the tumor, or less than half of the esophagus.",
        "Look at the region. Delete strokes drawn by mistake. Two lesions are fine.",
    ),
    Code(
        "D-REGION-012",
        "A part of a region lies far from the rest",
        "More than 30 mm lie between the parts, as after a stray click. Length and shape are those of all parts.",
        "Look at the region and delete what does not belong to it. Two lesions are fine.",
    ),
    Code(
        "D-REGION-013",
        "An automatic esophagus was cut to the part that is sure",
        "A part of it lies away from the windpipe or the spine, or in the aorta, or below the carina where the "
        "segmenter is not sure. Only the rest is used. Volume, length and all features describe a part of the organ.",
        "Outline the esophagus by hand, or use a segmenter that knows the whole chest, such as TotalSegmentator.",
    ),
    Code(
        "E-REGION-001",
        "No region is given",
        "Neither the tumor nor the esophagus is known.",
        "Give a mask, or contours with the name of a region.",
    ),
    Code(
        "E-REGION-002",
        "A region is empty",
        "The mask, segment or label contains no voxel.",
        "Draw the region, or leave it out. The scale is then treated as missing.",
    ),
    Code(
        "E-REGION-004",
        "File and name of a region do not match",
        "A region is named but no file is given for it, or contours are given but no region is named.",
        "Give both, or neither.",
    ),
    Code(
        "E-REGION-005",
        "The region has a different grid from the CT",
        "Size, spacing, position or direction of the voxels differ from the CT. espark does not interpolate masks.",
        "Give the CT on which the region was drawn, or resample the mask onto the CT with nearest-neighbor "
        "interpolation.",
    ),
    Code(
        "E-REGION-006",
        "The file contains several regions and none is named",
        "It is not clear which region is meant.",
        "Give the name or number of the region as `tumor_roi` or `esophagus_roi`.",
    ),
    Code(
        "E-REGION-007",
        "The mask contains fractions",
        "A mask contains whole numbers. Fractions come from interpolation, or from a map of probabilities.",
        "Save it with nearest-neighbor interpolation, or cut it at one half.",
    ),
    Code(
        "E-REGION-008",
        "The name of the region does not exist, or is not unique",
        "The file contains no region with this name or number, or more than one.",
        "Choose a name or number from the list in the message.",
    ),
    Code(
        "E-REGION-009",
        "The file is not a mask",
        "It contains colors, vectors, or labels that espark does not know.",
        "Export the region as a mask with one whole number in each voxel.",
    ),
    Code(
        "E-REGION-010",
        "The names of the labels cannot be read",
        "`dataset.json` beside the mask does not have the format of nnU-Net.",
        "Correct the file, or remove it and give the labels as numbers.",
    ),
    Code(
        "E-REGION-011",
        "The region was drawn in another frame of reference",
        "Contours or segments belong to a different acquisition from the CT, so their positions do not match.",
        "Give the CT on which the region was drawn, or the region that belongs to this CT.",
    ),
    Code(
        "E-REGION-012",
        "The file contains no contours",
        "It is missing, or it is not a DICOM RTSTRUCT.",
        "Check the path.",
    ),
    Code(
        "E-REGION-013",
        "The region has no closed contours",
        "It has a name, but nothing was drawn, or only points and open lines.",
        "Name another region, or draw this one.",
    ),
    Code(
        "E-REGION-014",
        "The contours enclose no voxel of the CT",
        "They lie outside the CT, or are smaller than a voxel.",
        "Give the RTSTRUCT that belongs to this CT.",
    ),
    Code(
        "E-REGION-015",
        "The contours do not lie in the planes of the CT",
        "They were drawn on sagittal, coronal or oblique planes, or on a different series.",
        "Export the region as a mask on the CT's grid instead.",
    ),
    Code(
        "E-REGION-016",
        "The segment reaches beyond the CT",
        "Some of its voxels lie outside the CT.",
        "Give the CT on which it was drawn.",
    ),
    Code(
        "E-REGION-017",
        "The automatic segmentation gives no reliable region",
        "No region was found, or all regions found are doubtful.",
        "Outline tumor, esophagus or both, and give the masks.",
    ),
    Code(
        "E-REGION-018",
        "The regions were drawn on different series",
        "The contours or segments of tumor and esophagus name different CT series of the folder.",
        "Name the series as `ct_series` in cohort.csv, or give regions that belong together.",
    ),
    Code(
        "E-REGION-019",
        "A region is as large as a body",
        "Its volume is more than one litre. Often the mask is inverted: 0 inside the region and 1 outside.",
        "Check that the mask is 0 outside the region, and the size of a voxel.",
    ),
    Code(
        "E-REGION-020",
        "A region lies in air or lung",
        "At least 90 % of its voxels are below −500 HU.",
        "Check that the region belongs to this CT and was not flipped, and that it is not the windpipe.",
    ),
    Code(
        "E-REGION-021",
        "A region has only a few voxels",
        "Texture and shape have no meaning in fewer than ten voxels.",
        "Draw the region again, or leave it out. The scale is then treated as missing.",
    ),
    Code(
        "E-REGION-022",
        "A region was drawn only on some slices",
        "Between its ends, more than a quarter of the slices are empty. Its volume would be too small.",
        "Fill the region between the slices on which it was drawn (3D Slicer: Fill between slices).",
    ),
    Code(
        "E-REGION-030",
        "A person rejected the regions",
        "Somebody looked at the regions of this CT in the workbench and rejected them. The patient is answered from "
        "the slides alone.",
        "Draw the regions in the workbench, save and accept them, or accept the regions as prepared again.",
    ),
    Code(
        "N-REGION-001",
        "The regions are automatic",
        "No mask was given, so a segmenter found the regions. No person has checked them.",
        "Look at the regions in the report before you rely on them.",
    ),
    Code(
        "N-REGION-002",
        "A remark of the segmenter",
        "The segmenter adds this remark to its own result.",
    ),
    Code(
        "N-REGION-003",
        "The tumor is a proposal",
        "Only the esophagus is known. The part with a thick wall is used as the tumor.",
        'Look at the proposal, or outline the tumor. `[ct] segmenter = "masks"` in study.toml turns proposals off.',
    ),
    Code(
        "N-REGION-004",
        "No tumor is proposed",
        "Only the esophagus is known. No part of its wall is thick enough, or the part found is not a likely tumor.",
        "Outline the tumor if you can see one.",
    ),
    Code(
        "N-REGION-005",
        "A region reaches the border of the CT",
        "The region may be cut off there. Its volume and length describe only the visible part.",
        "Use a CT that covers the whole region, if there is one.",
    ),
    Code(
        "N-REGION-006",
        "The automatic tumor was left out with the esophagus",
        "The automatic esophagus is doubtful, so a tumor found in it is doubtful too.",
        "Outline the region by hand and give the mask.",
    ),
    Code(
        "N-REGION-007",
        "There is no ring around the tumor",
        "`[ct] ring_mm` asks for a ring, but the tumor is not known or no soft tissue lies around it.",
        "Outline the tumor, or check its position.",
    ),
    Code(
        "N-REGION-008",
        "The ring around the tumor is cut off",
        "The ring reaches beyond the edge of the CT.",
    ),
    Code(
        "N-REGION-009",
        "The CT will be segmented",
        "No mask is given. `espark prepare` will find and check the regions. `espark check` only reads the CT.",
        "Look at the regions in the report before you rely on them.",
    ),
    Code(
        "N-REGION-010",
        "Contours that are stored twice were used once",
        "Two contours of one plane are nowhere more than half a pixel apart.",
    ),
    Code(
        "N-REGION-011",
        "Contours that cross were joined",
        "Several contours in one plane overlap. The region is everything inside any of them, without a hole.",
    ),
    Code(
        "N-REGION-012",
        "Missing planes were filled",
        "One or two planes are missing between planes that lie above each other. The nearest planes fill the gap.",
        "Draw the missing planes where the shape changes fast.",
    ),
    Code(
        "N-REGION-013",
        "The planes are coarser than the slices of the CT",
        "The region was drawn on a series with wider slices, or on every second slice. Each plane fills the slices "
        "that are nearest to it.",
        "Draw on the slices of the CT itself where the border matters.",
    ),
    Code(
        "N-REGION-014",
        "Some planes were not needed",
        "The contours have more planes than the CT has slices. Each slice takes the nearest plane.",
    ),
    Code(
        "N-REGION-015",
        "Points and open lines were left out",
        "Only closed contours of at least three points enclose voxels.",
    ),
    Code(
        "N-REGION-016",
        "Planes that are very close were joined",
        "Contours of one slice are stored at depths that differ by less than a quarter of a slice.",
    ),
    Code(
        "N-REGION-017",
        "Contours inside others were taken as holes",
        "If a contour lies wholly inside another one, its inside, such as the lumen, is not part of the region.",
        "Look at the region. If the hole is a mistake, delete the inner contour.",
    ),
    Code(
        "N-REGION-018",
        "The regions name a series that is not in the folder",
        "The contours or segments name a CT series that is not in the folder, often after anonymization. They match "
        "the CT by position and frame of reference.",
        "Look at the regions once.",
    ),
    Code(
        "N-REGION-019",
        "An automatic esophagus was cut at the larynx",
        "The esophagus begins below the larynx, on average 3 cm above the top of the lungs. What a segmenter finds "
        "above is the pharynx.",
        "Look at the upper end if the tumor lies in the neck.",
    ),
)
