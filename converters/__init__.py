"""A folder a backend: ``executorch``, ``tflite``, ``coreml``.

In each, ``backend`` is the face, ``convert`` writes an artifact and ``runtime`` runs it. The module
``backends`` lists them, and says how to add one. ``coreml_evaluator`` is usable alone.
"""
