"""Images without the identity of their patients, and the one key table that leads back to them."""
