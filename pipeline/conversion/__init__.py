"""From a traced student to artifacts, and the audit of what they hold."""
