"""A student's tokenizer: read from its folder, described, and made again from a bundle."""
