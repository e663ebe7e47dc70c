"""Codes of the area TABLE: cohort.csv, and tables of features made elsewhere."""

from __future__ import annotations

from espark.codes.code import Code

TABLE: tuple[Code, ...] = (
    Code(
        "E-TABLE-001",
        "The table is missing",
        "There is no file of this name.",
        "Correct the name, or save the table under it.",
    ),
    Code(
        "E-TABLE-002",
        "The file is not a table that can be read",
        "It is empty, damaged or of a format that espark does not read, whatever its name says.",
        "Open it in the program that made it and save it as XLSX or as CSV UTF-8.",
    ),
    Code(
        "E-TABLE-003",
        "The encoding of the text is not known",
        "The file is not UTF-8 or UTF-16. Latin-1, cp1252 and GBK cannot be told apart, and a wrong guess would change "
        "the names of centers without a word.",
        "In Excel, save the table as 'CSV UTF-8 (Comma delimited)'.",
    ),
    Code(
        "E-TABLE-004",
        "A line has more cells than the header",
        "A comma within a cell, such as in Hospital, West or 63,5, is read as the end of the cell and would move all "
        "later cells of the line to wrong columns.",
        "Put quotes around the cell, and write decimals with a point.",
    ),
    Code(
        "E-TABLE-005",
        "A column appears twice",
        "It is not known which of the two counts.",
        "Keep one of them, or give them different names.",
    ),
    Code(
        "E-TABLE-006",
        "A cell is not a number",
        "A column of numbers holds text, a date, a value such as <0.5, or infinity.",
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
        "Patients of cohort.csv have no row, while rows of nobody have ids that differ only by zeros in front, `.0`, "
        "case, spaces or dashes. These patients would lose their features.",
        "Write the ids in the same way in both. Store them as text, so that a spreadsheet keeps zeros.",
    ),
    Code(
        "E-TABLE-009",
        "A cell of a workbook has no value",
        "It shows an error such as #DIV/0!, or holds a formula that no program has computed since it was written.",
        "Correct the formula. Open the workbook in Excel or LibreOffice and save it, so that values are stored.",
    ),
    Code(
        "E-TABLE-010",
        "A spreadsheet has changed the ids",
        "Excel makes dates of ids such as 3-4, writes long ones as 1.2E+15, and keeps only 15 digits of a number.",
        "Format the column as text and enter the ids again from their source.",
    ),
    Code(
        "E-TABLE-011",
        "The meaning of a comma in a number is not clear",
        "The table is not separated by commas, and a comma in a number may mark decimals or thousands.",
        "Write decimals with a point and no mark between thousands.",
    ),
    Code(
        "E-TABLE-012",
        "A column is not there",
        "The column of the patients' ids, or every column of features, is missing from the header.",
        "Correct the name in study.toml or in the table. The header must be the first line.",
    ),
    Code(
        "E-TABLE-013",
        "The table is of other patients",
        "None of its ids is in cohort.csv.",
        "Check `patient_column` in study.toml and how the ids are written.",
    ),
    Code(
        "E-TABLE-014",
        "The text breaks off, or its quotes do not fit",
        "The last line has too few cells, or a cell begins with a quote that does not end where a cell ends.",
        "Copy or export the file again, or correct the line.",
    ),
    Code(
        "E-TABLE-015",
        "A cell of cohort.csv cannot be used",
        "It holds something that this column does not know, or names a file that does not exist.",
        "Correct the cell as the message says.",
    ),
    Code(
        "D-TABLE-001",
        "Levels of a category may be one",
        "They differ only by case, spaces, `.0`, or letters before a number, as T3, t3, 3 and 3.0 do. Models take them "
        "for different things.",
        "Write each level in one way in cohort.csv.",
    ),
    Code(
        "D-TABLE-002",
        "A number looks like a code for a missing value",
        "A value such as 999 or −9 lies far from all others. As a number, it spoils the model.",
        "If it is a code, name it: missing = [999] under the column's [[clinical]] in study.toml.",
    ),
    Code(
        "D-TABLE-003",
        "Some numbers of a column are per cent, others are not",
        "Excel stores 45% as 0.45 and 45 as 45, so the column may hold the same quantity in two units.",
        "Give the whole column one format, and enter the values that change.",
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
        "These patients of cohort.csv have no features in the table, and are used without them.",
        "Check that they are really not in the table.",
    ),
    Code(
        "N-TABLE-002",
        "Rows of nobody",
        "These rows of the table belong to no patient of cohort.csv and are not used.",
    ),
    Code(
        "N-TABLE-003",
        "Every line ends in a separator",
        "All lines but the header end in a comma, so each has one empty cell too many. It was left out.",
    ),
    Code(
        "N-TABLE-004",
        "Lines with fewer cells than the header",
        "The cells that are missing at their ends count as empty.",
        "Check that no line was broken in two.",
    ),
    Code(
        "N-TABLE-005",
        "Cells are separated by semicolons or tabs",
        "So Excel writes CSV in many countries. A comma in a number is then read as the mark of decimals.",
    ),
    Code(
        "N-TABLE-006",
        "The first of several sheets was read",
        "A workbook may hold many sheets, and only the first is used.",
        "Move the sheet with the features to the front where it is another.",
    ),
    Code(
        "N-TABLE-007",
        "Cells that count as missing",
        "Cells such as NA, or the codes that study.toml names, hold no value.",
        "Where NA is a level of a category, write missing = [] under its [[clinical]] in study.toml.",
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
        "A model cannot have learned anything about them, so they count as unknown.",
        "Check whether such a level is only spelled differently.",
    ),
)
