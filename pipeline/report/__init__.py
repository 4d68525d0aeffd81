"""Results for people: tables in the terminal, and a page."""
