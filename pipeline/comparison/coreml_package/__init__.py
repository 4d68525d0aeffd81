"""Any Core ML package against any PyTorch program."""
