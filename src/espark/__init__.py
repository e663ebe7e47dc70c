"""espark: response of esophageal cancer to neoadjuvant immunochemotherapy, predicted from CT and H&E slides."""

__version__ = "0.1.0"
