"""Tasks on images, read as sequences."""
