"""What must hold before radiographs are read."""

from __future__ import annotations

from django.core import checks

from operations.checks import WORKER


@checks.register(WORKER)
def every_accepted_syntax_is_decodable(**_kwargs) -> list[checks.CheckMessage]:
    """A worker must be able to decode whatever the web process accepts."""
    from .dicom.decode import missing_decoders
    from .dicom.syntaxes import uid_name

    return [
        checks.Error(
            f"No decoder for {uid_name(syntax)} ({syntax}): the module {module} is missing.",
            hint="Install requirements/base.txt.",
            id="radiology.E001",
        )
        for syntax, module in missing_decoders().items()
    ]
