"""File storages that fail as real ones do."""

from __future__ import annotations

import errno

from botocore.exceptions import ClientError, EndpointConnectionError
from django.core.files.base import File
from django.core.files.storage import FileSystemStorage

FAULTS = {
    "disk": lambda: OSError(errno.EIO, "Input/output error"),
    "rights": lambda: PermissionError(errno.EACCES, "Permission denied"),
    "unreachable": lambda: EndpointConnectionError(endpoint_url="https://files.example.org"),
    "refused": lambda: ClientError({"Error": {"Code": "SlowDown"}}, "GetObject"),
}


class FailingStorage(FileSystemStorage):
    """Fails with ``fault`` when a file is opened, or with ``late`` when it is first read."""

    def __init__(self, *, fault: str, late: bool = False, **kwargs) -> None:
        super().__init__(**kwargs)
        self.fault, self.late = FAULTS[fault], late

    def _open(self, name, mode="rb"):
        if not self.late:
            raise self.fault()
        return LazyFile(name, self.fault)


class LazyFile(File):
    """Fetches its content when it is first asked for it, and fails."""

    def __init__(self, name: str, fault) -> None:
        super().__init__(None, name)
        self.fault = fault

    @property
    def file(self):
        if self.fault:
            raise self.fault()

    @file.setter
    def file(self, value) -> None:
        pass

    @property
    def closed(self) -> bool:
        return True
