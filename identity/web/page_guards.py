"""Who may see the pages for people: everybody. What a page tells is decided by cookie and code."""


def anyone() -> None:
    """No sign-in stands before these pages; the blueprint says so where a reader looks for it."""
