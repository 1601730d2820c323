"""What a user is told when something cannot be done: the cause, the cure, and the exit code that scripts read."""

from __future__ import annotations

__all__ = ["EXIT_ACCURACY", "EXIT_FAILURE", "EXIT_USAGE", "AccuracyError", "SimpleTrtError", "UsageError"]

EXIT_FAILURE = 1
EXIT_USAGE = 2
EXIT_ACCURACY = 3


class SimpleTrtError(Exception):
    """A run-time failure that the user can understand and act on.

    Args:
        cause: What happened, naming the file, the field and "expected ..., got ..."; no full stop at its end is needed.
        cure: What to do about it, a command where there is one; may be empty.

    Example:
        >>> print(SimpleTrtError("no file 'a.onnx'", "check the path"))
        no file 'a.onnx'. check the path
    """

    exit_code = EXIT_FAILURE

    def __init__(self, cause: str, cure: str = "") -> None:
        super().__init__(cause, cure)
        self.cause = cause
        self.cure = cure

    def __str__(self) -> str:
        return f"{self.cause.rstrip('.')}. {self.cure}" if self.cure else self.cause


class UsageError(SimpleTrtError):
    """The command or the call asks for something that makes no sense; nothing was started."""

    exit_code = EXIT_USAGE


class AccuracyError(SimpleTrtError):
    """The work was done, but the accuracy gate that the user set was not met."""

    exit_code = EXIT_ACCURACY
