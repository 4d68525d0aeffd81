"""What an app does with a bundle, in plain Python: the apps are ported from here.

``SPECIFICATION.md`` says the rules in words.
"""
