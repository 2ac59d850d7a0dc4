"""What can go wrong, in DICOM words. No status codes: web/errors.py maps each class to one.

A message is one plain sentence fit for a client to read. It never holds an attribute value: that is
patient data. UIDs that the client itself named in the URL may be repeated.
"""

from __future__ import annotations

from collections.abc import Sequence


class ArchiveError(Exception):
    """Base of everything the archive refuses or cannot do.

    hint: what the client can do about it, one sentence, or empty.
    """

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class InvalidRequest(ArchiveError):
    """The request breaks the grammar of PS3.18: a UID, a parameter, a frame list, a header, a body."""


class NotFound(ArchiveError):
    """No such study, series, instance, frame or bulkdata."""


class Gone(ArchiveError):
    """The target existed and has been deleted."""


class NotAcceptable(ArchiveError):
    """No representation of the target satisfies the request.

    available: media types (with transfer syntaxes) that this resource offers.
    """

    def __init__(self, message: str, *, available: Sequence[str] = (), hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.available = tuple(available)


class PreconditionFailed(ArchiveError):
    """The client wants one representation and no other (If-Match), and that is not the current one."""


class UnsupportedMediaType(ArchiveError):
    """The Content-Type of the request body is not one that this resource takes."""


class TooLarge(ArchiveError):
    """A body, a search or an answer is beyond a configured limit."""


class UriTooLong(ArchiveError):
    """The request URI is beyond the configured limit."""


class RangeNotSatisfiable(ArchiveError):
    """The Range header lies outside the representation. length: its size in bytes."""

    def __init__(self, message: str, *, length: int) -> None:
        super().__init__(message)
        self.length = length


class Unavailable(ArchiveError):
    """The archive cannot do this now (database down, disk full, overloaded).

    retry_after: seconds after which a client may try again.
    """

    def __init__(self, message: str, *, retry_after: int = 5, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.retry_after = retry_after


class ClientGone(ArchiveError):
    """The client closed the connection before its request was whole."""


class BlobMissing(ArchiveError):
    """A row points to bytes that the object store does not have: damage, never a 404."""


class DecodeFailed(ArchiveError):
    """A codec refused, crashed on, or ran out of time or memory over stored pixels."""


class WorkFailed(DecodeFailed):
    """Our own code failed over stored pixels: a bug, which the log tells of. Where a picture or frame may be
    left out, so may this one."""


class InvalidSettings(ArchiveError):
    """A setting (flag or environment variable) has a value that cannot be used."""


class InvalidDicom(ArchiveError):
    """A part is not a DICOM instance that can be stored.

    failure_reason: the code for (0008,1197), PS3.18 I.2.2 and PS3.4 B.2.3.
    sop_class_uid, sop_instance_uid: as far as they were read, else empty.
    """

    def __init__(
        self,
        message: str,
        *,
        failure_reason: int = 0xC000,
        sop_class_uid: str = "",
        sop_instance_uid: str = "",
    ) -> None:
        super().__init__(message)
        self.failure_reason = failure_reason
        self.sop_class_uid = sop_class_uid
        self.sop_instance_uid = sop_instance_uid
