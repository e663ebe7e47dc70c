"""Artefacts of a study to HTML reports."""
