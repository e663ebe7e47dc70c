"""Images for the browser: planes of a CT, tiles of a slide, and layers over the tiles."""
