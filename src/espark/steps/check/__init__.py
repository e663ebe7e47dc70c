"""The step `check`: everything wrong with the inputs, at once, before hours are spent."""
