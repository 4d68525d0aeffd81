"""A folder a backend: ``executorch``, ``tflite``, ``coreml``; ``backends`` lists them."""
