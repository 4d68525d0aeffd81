"""Keeps the threads of a program apart where libraries change what all of them share.

``torch.export`` patches PyTorch while it traces, Transformers changes default types and progress
bars while it loads, and the number of threads of PyTorch is one for the whole process. Artifacts
need no such care: each runs in a process of its own.
"""

import threading

ALONE = threading.RLock()
"""Held while one thread traces a model, loads one, calibrates it, or runs it in PyTorch."""
