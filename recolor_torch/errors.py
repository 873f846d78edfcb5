"""Errors that the command line turns into exit codes. Each message is one sentence for the user."""


class UsageError(ValueError):
    """The request cannot be carried out as it was made: exit code 2, before any work starts."""


class WeightsMissing(FileNotFoundError):
    """Model weights are needed and are nowhere to be found: exit code 4."""
