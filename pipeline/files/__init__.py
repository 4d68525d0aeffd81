"""Files that anyone may have written, and files that are written for good."""
