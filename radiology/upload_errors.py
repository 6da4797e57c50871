"""What can go wrong while a file comes in piece by piece; see :mod:`pneumoniapp.errors`."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from pneumoniapp.errors import PermanentError


class UploadSizeError(PermanentError):
    """The request does not say how large the file is."""

    code = "upload_size"
    sentence = _("Say how many bytes the file has.")


class UploadOffsetError(PermanentError):
    """Something came in meanwhile, or an answer was lost: ask for the offset and go on there."""

    code = "upload_offset"
    status = 409
    sentence = _("The upload goes on elsewhere: ask how much has come in.")


class UploadPieceError(PermanentError):
    """``bytes``: of every piece but the last."""

    code = "upload_piece"
    sentence = _("Send the file in pieces of %(bytes)s bytes; the last one is what is left.")


class UploadIncompleteError(PermanentError):
    code = "upload_incomplete"
    status = 409
    sentence = _("The file has not come in completely yet.")


class UploadChecksumError(PermanentError):
    code = "upload_checksum"
    status = 409
    sentence = _("The file was changed on its way, or while it was sent. Send it again.")
