"""A study of 75 real patients from tables alone: radiomics of the tumor and clinical values, no images.

The table (hliulab/multimodal, GPL-3 repository) holds 107 PyRadiomics features of the pre-treatment CT, clinical and
blood values, and the best overall response (`BOR`). The label here is response (complete or partial, 36 patients)
against stable disease (39). It shows how features made elsewhere come in, and how a study names another outcome. It
proves nothing: one center, 75 patients, and no external cohort.

    python examples/esophageal_immunotherapy_75.py TABLE.xlsx FOLDER
"""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

import pandas as pd

import espark
from espark.outcome import Outcome
from espark.types import ClinicalColumn
from espark.workspace.config import StudySettings
from espark.workspace.template import config_template

RESPONSE = Outcome(
    column="response",
    name="objective response",
    positive="complete or partial response",
    definition="The best overall response is complete or partial; 0 is stable disease.",
)

# Values known before treatment. PFS, Recurrence and Status are outcomes and stay out; so does the table's own label.
CLINICAL = (
    ClinicalColumn("age", "number", "years"),
    ClinicalColumn("bmi", "number", "kg/m²"),
    ClinicalColumn("stage", "category"),
    ClinicalColumn("blood_nlr", "number"),
    ClinicalColumn("blood_plr", "number"),
    ClinicalColumn("hemoglobin", "number", "g/L"),
    ClinicalColumn("scca", "number", "ng/mL"),
)
COLUMNS = {"Age": "age", "BMI": "bmi", "Stage": "stage", "NLR": "blood_nlr", "PLR": "blood_plr", "Hb": "hemoglobin",
           "SCCAg": "scca"}  # fmt: skip


def write_study(table: Path, folder: Path) -> None:
    """Write cohort.csv, the feature table and study.toml."""
    folder.mkdir(parents=True, exist_ok=True)
    source = pd.read_excel(table)
    source["patient_id"] = [f"P{int(number):03d}" for number in source["id"]]
    features = [name for name in source.columns if name.startswith("original_")]
    source[["patient_id", *features]].to_csv(folder / "radiomics.csv", index=False)
    cohort = pd.DataFrame(
        {
            "patient_id": source["patient_id"],
            "center": "single-center",
            "role": "development",
            RESPONSE.column: source["BOR"].isin(["CR", "PR"]).astype(int),
        }
    )
    clinical = source[list(COLUMNS)].rename(columns=COLUMNS)
    pd.concat([cohort, clinical], axis=1).to_csv(folder / "cohort.csv", index=False)
    settings = StudySettings(name="75 real patients: objective response from tables", outcome=RESPONSE)
    text = config_template(settings, CLINICAL)
    text += '\n[[ct_features]]\nfile = "radiomics.csv"\nscale = "tumor"\ncolumns = ["original_*"]\n'
    (folder / "study.toml").write_text(text, encoding="utf-8")


def main() -> None:
    """Build the study, run it, print the out-of-fold AUC of each model."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", type=Path, help="esophageal-immunotherapy-75.xlsx")
    parser.add_argument("folder", type=Path, help="where the study is written")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    write_study(arguments.table, arguments.folder)
    result = espark.Study(arguments.folder).run()
    metrics = pd.read_csv(arguments.folder / "evaluation" / "metrics.csv")
    for _, row in metrics[metrics["metric"] == "auc"].iterrows():
        interval = f"95 % CI {row['ci_low']:.2f} to {row['ci_high']:.2f}"
        patients = f"n = {row['n']}, {row[f'n_{RESPONSE.column}']} with {RESPONSE.name}"
        print(f"{row['model']}: out-of-fold AUC {row['value']:.2f} ({interval}, {patients})")
    print("This shows the import of features made elsewhere. It proves nothing about the method.")
    print(result.report)


if __name__ == "__main__":
    main()
