"""The operators of MIL, over PyTorch on the CPU."""
