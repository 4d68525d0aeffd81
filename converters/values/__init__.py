"""What both packages hand each other: programs, artifacts, precisions and errors."""
