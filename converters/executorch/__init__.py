"""ExecuTorch through XNNPACK: one ``.pte`` file."""
