"""The command line, a file a command: each parses, calls one flow, prints and exits."""
