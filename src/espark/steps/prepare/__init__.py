"""Images to regions, radiomics and tile features."""
