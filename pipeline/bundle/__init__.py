"""The bundle as a format: its files are described, opened, verified and replaced here."""
