"""Everything we may say no to. The docstring is the message; no HTTP in here."""


class Problem(Exception):
    """Something a person or a program can be told."""

    def __str__(self) -> str:
        return super().__str__() or (self.__doc__ or "").strip()


class InvalidEmail(Problem):
    """This is not an email address."""


class MissingParameter(Problem):
    """A parameter is missing."""


class WrongParameter(Problem):
    """A parameter has a value that is not accepted here."""


class CredentialNeeded(Problem):
    """A homeserver credential is needed here."""


class TooManyRequests(Problem):
    """Too many requests from this network. Try again later."""

    def __init__(self, retry_after: int) -> None:
        super().__init__()
        self.retry_after = retry_after  # seconds


class Unavailable(Problem):
    """The service cannot answer just now. Nothing was lost; try again in a moment."""
