"""Other servers of the same network, each run by the Python of its own environment."""
