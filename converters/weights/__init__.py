"""Weights as integers and scales: one arithmetic, which every backend stores in its own way."""
