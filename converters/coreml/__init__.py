"""Core ML through coremltools: one ``.mlpackage`` that holds an ML program."""
