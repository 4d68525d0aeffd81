"""The page to try bundles in, and the runtimes that stay open for it."""
