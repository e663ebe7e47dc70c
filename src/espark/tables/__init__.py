"""Tables as they are in the file: every cell is text, and nothing is guessed."""
