"""What happens to a row of training data that cannot be used: the run stops, or goes on without."""

from converters.values.errors import InputError


class Faults:
    """Takes each unusable row: stops the run, or counts it where the user allows that."""

    def __init__(self, *, allowed: bool) -> None:
        self._allowed = allowed
        self.found: list[str] = []

    def add(self, message: str) -> None:
        """Takes a row; the message names file and line.

        Raises:
            InputError: Unusable rows are not allowed.
        """
        if not self._allowed:
            raise InputError(
                message, hint="correct it, or train on the rest of the data with --skip-bad"
            )
        self.found.append(message)
