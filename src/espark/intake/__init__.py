"""What a file declares is checked before it is believed."""
