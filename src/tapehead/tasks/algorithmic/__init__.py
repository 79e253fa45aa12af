"""Generated tasks on vectors of random bits."""
