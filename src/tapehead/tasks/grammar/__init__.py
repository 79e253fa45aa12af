"""Tasks whose sequences are strings of a formal grammar."""
