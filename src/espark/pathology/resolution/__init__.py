"""How large a pixel of a slide is."""
