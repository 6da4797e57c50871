"""What ``manage.py check`` says of the file of breached passwords."""

from __future__ import annotations

from django.conf import settings
from django.core import checks

from .breached import BreachedFileError, breached_file_check


@checks.register(checks.Tags.security)
def breached_file_is_usable(**_kwargs) -> list[checks.CheckMessage]:
    """A file that can't be searched must not pass for one."""
    path = settings.BREACHED_PASSWORDS_FILE
    if not path:
        return []
    try:
        whole = breached_file_check(path)
    except BreachedFileError as error:
        return [
            checks.Error(
                f"BREACHED_PASSWORDS_FILE can't be used: {error}.",
                hint='It must be "Pwned Passwords" as one file of SHA-1, ordered by hash; '
                "docs/operations.md says how to get it.",
                id="accounts.E001",
            )
        ]
    if whole:
        return []
    return [
        checks.Warning(
            "BREACHED_PASSWORDS_FILE doesn't reach from the first hashes to the last: it was "
            "cut off.",
            hint="Download it again.",
            id="accounts.W002",
        )
    ]


@checks.register(checks.Tags.security, deploy=True)
def breached_file_is_set(**_kwargs) -> list[checks.CheckMessage]:
    """Django's list has twenty thousand passwords; breaches, a billion."""
    if settings.BREACHED_PASSWORDS_FILE:
        return []
    return [
        checks.Warning(
            "BREACHED_PASSWORDS_FILE is not set: of the passwords that became known, only the "
            "most common are refused.",
            hint="docs/operations.md says how to get the file.",
            id="accounts.W001",
        )
    ]
