"""Tasks on polyphonic music."""
