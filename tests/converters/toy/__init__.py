"""A fourth backend: weights in an ``.npz`` file, and NumPy to compute with them."""
