"""What a student learns from raw text, before any task."""
