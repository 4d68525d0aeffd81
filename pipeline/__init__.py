"""PocketBERT's flow: load, trace, build, compare, bundle, report, and the command line."""

__version__ = "0.1.0"
