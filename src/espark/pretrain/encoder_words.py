"""The closed vocabulary of the embedded encoder."""

from __future__ import annotations

from espark.pathology.encoders.vocabulary import Vocabulary

_FRAME = """
a an and are few field high histologic histology histopathology h&e hematoxylin eosin image in is many microscopic
more no of only pathology patch photomicrograph micrograph picture power present rare example scattered section seen
showing slide some stain stained than the there this tile tissue view visible with without abundant numerous rich
absent containing large small biopsy low free area region
"""

_THINGS = """
adipose artifact background benign blood cancer capillary carcinoma cell collagen connective crushed dead debris dense
desmoplastic differentiated empty endothelial endothelium epithelial epithelium eosinophil
eosinophilic erythrocyte
esophageal fat fatty
fibroblast fibrous gland glandular glass goblet grade granulocyte healthy hemorrhage hyperchromatic immune infiltrate
infiltration inflammation inflammatory keratin keratinization keratinizing layer leukocyte lobed lymphocyte
lymphocytic lymphoid malignant mitosis mitotic mononuclear mucosa mucous muscle necrosis necrotic neoplastic nest
neutrophil neutrophilic normal nucleus pearl plasma pleomorphic polymorphonuclear poorly red round segmented smooth
spindle squamous stroma stromal submucosal tumor vascular vessel viable well white elongated fiber
"""

_SYNONYMS = {
    "artefact": "artifact",
    "carcinomata": "carcinoma",
    "capillaries": "capillary",
    "epithelia": "epithelium",
    "endothelia": "endothelium",
    "fibre": "fiber",
    "fibres": "fiber",
    "haematoxylin": "hematoxylin",
    "haemorrhage": "hemorrhage",
    "keratinisation": "keratinization",
    "keratinising": "keratinizing",
    "leucocyte": "leukocyte",
    "lymphoplasmacytic": "inflammatory",
    "microphotograph": "photomicrograph",
    "mitoses": "mitosis",
    "nuclei": "nucleus",
    "oesophageal": "esophageal",
    "rbc": "erythrocyte",
    "scc": "carcinoma",
    "stromata": "stroma",
    "til": "lymphocyte",
    "tumour": "tumor",
}

VOCABULARY = Vocabulary(words=tuple(sorted(set((_FRAME + _THINGS).split()))), synonyms=_SYNONYMS, max_words=24)
"""What the text tower knows. Every word here occurs in the phrases it is fitted on."""
