"""Artifacts against the PyTorch student: logits, answers, gates and verdicts."""
