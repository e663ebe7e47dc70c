"""How work is done: worker processes and progress."""
