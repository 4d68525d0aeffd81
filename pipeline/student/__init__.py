"""The student: found, loaded, traced and run in PyTorch."""
