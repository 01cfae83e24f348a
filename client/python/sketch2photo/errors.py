"""Errors of calls: one hierarchy, whose root is Error."""
from __future__ import annotations

from typing import Iterable, Optional, Tuple, Type

import grpc

_TOO_LARGE = "larger than max ("


class Error(Exception):
    """A call failed, or its arguments cannot be sent.

    code: the name of the gRPC status code, such as "NOT_FOUND".
    message: the server's words; those about a field begin with its name.
    retry_after: seconds after which the server asks to retry; None if it gave no time or says that retrying is in vain.
    request_id: the name of the call in the server's log, which has every call with --log-level debug; empty if
    nothing was sent.
    unanswered: of add_photos alone: ids that were sent and have no outcome. Adding them again is safe.
    """

    code = "UNKNOWN"

    def __init__(self, message: str, *, code: Optional[str] = None, retry_after: Optional[float] = None,
                 request_id: str = "", unanswered: Tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.message = message
        if code is not None:
            self.code = code
        self.retry_after = retry_after
        self.request_id = request_id
        self.unanswered = unanswered

    def __str__(self) -> str:
        return "%s (%s)" % (self.message, self.code)


class InvalidArgument(Error, ValueError):
    """An argument is wrong; found here or by the server."""
    code = "INVALID_ARGUMENT"


class MessageTooLarge(InvalidArgument):
    """A request above the server's limit, or a reply above ours. Repeating it is in vain."""


class NotFound(Error, LookupError):
    """There is no such photo, version, job or feedback."""
    code = "NOT_FOUND"


class AlreadyExists(Error):
    """The id exists with other content."""
    code = "ALREADY_EXISTS"


class FailedPrecondition(Error):
    """The server's state or flags do not allow the call."""
    code = "FAILED_PRECONDITION"


class Unauthenticated(Error):
    """No key, or a wrong one."""
    code = "UNAUTHENTICATED"


class PermissionDenied(Error):
    """The key has no role that opens the method."""
    code = "PERMISSION_DENIED"


class ResourceExhausted(Error):
    """The server is busy, and retry_after says how long, or its disk or quota is full."""
    code = "RESOURCE_EXHAUSTED"


class Unavailable(Error, ConnectionError):
    """No server answers, it shuts down, or no model serves yet."""
    code = "UNAVAILABLE"


class DeadlineExceeded(Error, TimeoutError):
    """The timeout passed."""
    code = "DEADLINE_EXCEEDED"


class Cancelled(Error):
    """The call was cancelled or its client closed."""
    code = "CANCELLED"


class Unimplemented(Error):
    """The server does not know the method: another program, or an older one."""
    code = "UNIMPLEMENTED"


class Internal(Error):
    """Something failed in the server; its log and model_status().faults say what."""
    code = "INTERNAL"


class DataLoss(Error):
    """Stored bytes are damaged or missing."""
    code = "DATA_LOSS"


_CLASSES: Tuple[Type[Error], ...] = (
    InvalidArgument, NotFound, AlreadyExists, FailedPrecondition, Unauthenticated, PermissionDenied, ResourceExhausted,
    Unavailable, DeadlineExceeded, Cancelled, Unimplemented, Internal, DataLoss)
_BY_CODE = {kind.code: kind for kind in _CLASSES}
_NAMES = {status.value[0]: status.name for status in grpc.StatusCode}


def from_status(number: int, message: str, request_id: str = "") -> Error:
    """The error of a photo's outcome, whose numbers are gRPC's."""
    name = _NAMES.get(number, "UNKNOWN")
    return _BY_CODE.get(name, Error)(message, code=name, request_id=request_id)


def from_rpc(error: grpc.RpcError, request_id: str) -> Error:
    """The error of a call that raised grpc.RpcError."""
    name = error.code().name
    message = error.details() or "the server gave no reason"
    retry_after = _retry_after(error.trailing_metadata() or ())
    if name == "RESOURCE_EXHAUSTED" and _TOO_LARGE in message:
        return MessageTooLarge(message, request_id=request_id)
    return _BY_CODE.get(name, Error)(message, code=name, retry_after=retry_after, request_id=request_id)


def _retry_after(metadata: Iterable[Tuple[str, object]]) -> Optional[float]:
    for key, value in metadata:
        if key == "grpc-retry-pushback-ms":
            try:
                milliseconds = int(str(value))
            except ValueError:
                return None
            return milliseconds / 1000 if milliseconds >= 0 else None
    return None
