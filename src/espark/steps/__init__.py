"""One file per step: reads artefacts, calls the rooms above, writes artefacts."""
