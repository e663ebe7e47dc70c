"""Codes of the area TABLE: cohort.csv, and tables of features made elsewhere."""

from __future__ import annotations

from espark.codes.code import Code

TABLE: tuple[Code, ...] = (
    Code(
        "E-TABLE-001",
        "The table is missing",
        "There is no file with this name.",
        "Correct the name, or save the table under this name.",
    ),
    Code(
        "E-TABLE-002",
        "The file is not a readable table",
        "It is empty or damaged, or has a format that espark does not read. The ending of its name may be wrong.",
        "Open it in the program that made it and save it as XLSX or as CSV UTF-8.",
    ),
    Code(
        "E-TABLE-003",
        "The encoding of the text is not known",
        "The file is not UTF-8 or UTF-16. Latin-1, cp1252 and GBK cannot be distinguished. A wrong guess would "
        "change the names of centers without a message.",
        "In Excel, save the table as 'CSV UTF-8 (Comma delimited)'.",
    ),
    Code(
        "E-TABLE-004",
        "A line has more cells than the header",
        "A comma within a cell, such as in Hospital, West or 63,5, is read as the end of the cell. All later "
        "cells of the line would move to wrong columns.",
        "Put quotes around the cell, and write decimals with a point.",
    ),
    Code(
        "E-TABLE-005",
        "A column appears twice",
        "espark cannot know which column is right.",
        "Keep one of them, or give them different names.",
    ),
    Code(
        "E-TABLE-006",
        "A cell is not a number",
        "A column of numbers contains text, a date, a value such as <0.5, or infinity.",
        "Correct the cell, or empty it.",
    ),
    Code(
        "E-TABLE-007",
        "A row has no patient, or a patient has two rows",
        "Every patient needs exactly one row.",
        "Write the id in every row, and keep one row per patient.",
    ),
    Code(
        "E-TABLE-008",
        "Ids are written differently in two places",
        "Patients of cohort.csv have no row, but rows without a patient have ids that differ only by leading zeros, "
        "`.0`, case, spaces or dashes. These patients would lose their features.",
        "Write the ids in the same way in both files. Store them as text, so that a spreadsheet keeps leading zeros.",
    ),
    Code(
        "E-TABLE-009",
        "A cell of a workbook has no value",
        "It shows an error such as #DIV/0!, or contains a formula that no program has computed since it was written.",
        "Correct the formula. Open the workbook in Excel or LibreOffice and save it, so that values are stored.",
    ),
    Code(
        "E-TABLE-010",
        "A spreadsheet has changed the ids",
        "Excel changes ids such as 3-4 to dates, writes long ones as 1.2E+15, and keeps only 15 digits of a number.",
        "Format the column as text and enter the ids again from their source.",
    ),
    Code(
        "E-TABLE-011",
        "The meaning of a comma in a number is not clear",
        "The table is not separated by commas, and a comma in a number may separate decimals or thousands.",
        "Write decimals with a point, and nothing between thousands.",
    ),
    Code(
        "E-TABLE-012",
        "A column is missing",
        "The column with the patients' ids, or every column of features, is missing from the header.",
        "Correct the name in study.toml or in the table. The header must be the first line.",
    ),
    Code(
        "E-TABLE-013",
        "The table has other patients",
        "None of its ids is in cohort.csv.",
        "Check `patient_column` in study.toml and how the ids are written.",
    ),
    Code(
        "E-TABLE-014",
        "The text is cut off, or its quotes do not match",
        "The last line has too few cells, or a cell begins with a quote that does not end where a cell ends.",
        "Copy or export the file again, or correct the line.",
    ),
    Code(
        "E-TABLE-015",
        "A cell of cohort.csv cannot be used",
        "It contains a value that is not allowed in this column, or names a file that does not exist.",
        "Correct the cell as described in the message.",
    ),
    Code(
        "D-TABLE-001",
        "Levels of a category may be the same",
        "They differ only by case, spaces, `.0`, or letters before a number, such as T3, t3, 3 and 3.0. Models treat "
        "them as different levels.",
        "Write each level in one way in cohort.csv.",
    ),
    Code(
        "D-TABLE-002",
        "A number looks like a code for a missing value",
        "A value such as 999 or −9 lies far from all others. If it is used as a number, it harms the model.",
        "If it is a code, name it: missing = [999] under the column's [[clinical]] in study.toml.",
    ),
    Code(
        "D-TABLE-003",
        "Some numbers of a column are in per cent, others are not",
        "Excel stores 45% as 0.45 and 45 as 45, so the column may contain the same quantity in two units.",
        "Give the whole column one format, and enter again the values that change.",
    ),
    Code(
        "D-TABLE-004",
        "All features of a patient are the same number",
        "Features that are nearly all 0, −1 or another single number often come from a computation that failed.",
        "Compute the features of this patient again, or empty the cells.",
    ),
    Code(
        "D-TABLE-005",
        "A category that consists of many numbers",
        "Every number becomes a level of its own, and a model learns next to nothing from it.",
        'Declare the column with kind = "number" in study.toml, unless the numbers are names of groups.',
    ),
    Code(
        "N-TABLE-001",
        "Patients without a row",
        "These patients of cohort.csv have no features in the table. They are used without features.",
        "Check that these patients are really not in the table.",
    ),
    Code(
        "N-TABLE-002",
        "Rows without a patient",
        "These rows of the table do not belong to any patient of cohort.csv. They are not used.",
    ),
    Code(
        "N-TABLE-003",
        "Every line ends in a separator",
        "All lines except the header end in a separator, so each has one extra empty cell. It was left out.",
    ),
    Code(
        "N-TABLE-004",
        "Lines with fewer cells than the header",
        "The missing cells at the end of these lines are read as empty.",
        "Check that no line was broken in two.",
    ),
    Code(
        "N-TABLE-005",
        "Cells are separated by semicolons or tabs",
        "Excel writes CSV like this in many countries. A comma in a number is then read as the decimal point.",
    ),
    Code(
        "N-TABLE-006",
        "The first of several sheets was read",
        "A workbook may contain many sheets. Only the first is used.",
        "If the features are in another sheet, move it to the front.",
    ),
    Code(
        "N-TABLE-007",
        "Cells that are read as missing values",
        "Cells such as NA, or the codes that study.toml lists, mean that the value is missing.",
        "If NA is a level of a category, write missing = [] under its [[clinical]] in study.toml.",
    ),
    Code(
        "N-TABLE-008",
        "Rows without any value",
        "These patients have a row, but all of its features are empty, as if there were none.",
        "Check that their features are really missing.",
    ),
    Code(
        "N-TABLE-009",
        "Levels that no development patient has",
        "A model cannot have learned anything about them, so they are used as unknown.",
        "Check whether such a level is only spelled differently.",
    ),
)
