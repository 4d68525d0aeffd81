"""One plain module per backend: ``executorch``, ``tflite`` and ``coreml``."""
