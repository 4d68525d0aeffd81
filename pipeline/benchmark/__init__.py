"""Artifacts and peers, measured beside each other."""
