"""A bucket of sealed files; a module of its own, so that nobody else loads boto3."""

from __future__ import annotations

from storages.backends.s3 import S3Storage

from .storages import Sealing


class EncryptedS3Storage(Sealing, S3Storage):
    """A bucket of sealed files."""
