"""The commands that train, and the options that they share."""
