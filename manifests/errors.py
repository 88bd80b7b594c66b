"""The one kind of error a user is meant to read: a plain sentence, without a traceback."""


class DeepfieldError(Exception):
    """Something a user can act on. Its text says what was wrong, with what, and what to do."""

    exit_code = 1


class UsageError(DeepfieldError):
    """The command was asked for something that cannot be: an unknown name, a value out of range."""

    exit_code = 2


class CatalogueError(DeepfieldError):
    """The database cannot be used now: it is away, its disk is full, or it may not be written. Nothing was changed."""
