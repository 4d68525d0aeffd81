"""TFLite through litert-torch: one ``.tflite`` file."""
