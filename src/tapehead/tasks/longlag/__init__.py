"""Tasks whose answers depend on what was shown long before."""
