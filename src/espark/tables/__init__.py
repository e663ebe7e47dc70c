"""Tables as a reader sees them in the file: every cell is text, and nothing is guessed."""
