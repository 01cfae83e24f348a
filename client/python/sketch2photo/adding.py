"""What add_photos remembers between streams: the photos that were sent and have no outcome yet."""
from __future__ import annotations

import collections
import time
from typing import Deque, Tuple

from .errors import Error, InvalidArgument, Unavailable
from .requests import AddResult
from .v1 import gallery_pb2

# Photos and bytes that are sent ahead of the outcomes. The server itself reads at most 32 photos ahead.
_MAX_PHOTOS = 16
_MAX_BYTES = 32 << 20
_FIRST_PAUSE = 0.1
_LAST_PAUSE = 2.0


class Unanswered:
    """One thread only. Holds at most 16 photos, and 32 MiB or one photo."""

    def __init__(self, timeout: float, retry: bool) -> None:
        self._requests: Deque[gallery_pb2.AddPhotoRequest] = collections.deque()
        self._bytes = 0
        self._timeout = timeout
        self._retry = retry
        self._give_up = time.monotonic() + timeout
        self._pause = _FIRST_PAUSE
        # How many photos of the front are to be sent one by one, because one of them has ended a stream.
        self._alone = 0

    def has_room(self) -> bool:
        return not self._alone and len(self._requests) < _MAX_PHOTOS and self._bytes < _MAX_BYTES

    def push(self, request: gallery_pb2.AddPhotoRequest) -> None:
        self._requests.append(request)
        self._bytes += request.ByteSize()

    def __len__(self) -> int:
        return len(self._requests)

    def to_send(self) -> Tuple[gallery_pb2.AddPhotoRequest, ...]:
        """What a new stream begins with."""
        return tuple(self._requests)[:1] if self._alone else tuple(self._requests)

    def sends_alone(self) -> bool:
        return self._alone > 0

    def ids(self) -> Tuple[str, ...]:
        return tuple(request.photo_id for request in self._requests)

    def answered(self, result: AddResult) -> AddResult:
        """Takes the outcome of the first photo. Raises it if the server shuts down: the photo is sent again."""
        if not self._requests or result.photo_id != self._requests[0].photo_id:
            raise Error("the server answered for photo %r, which is not the next one" % result.photo_id,
                        code="INTERNAL", unanswered=self.ids())
        if isinstance(result.error, Unavailable) and self._retry:
            raise result.error
        self._pop()
        return result

    def broken(self, error: Error) -> Tuple[AddResult, ...]:
        """Called when a stream has failed. Raises `error` if another stream would be in vain; else returns the outcome
        of a photo that ends each stream by itself, if it is known now."""
        error.unanswered = self.ids()
        if isinstance(error, InvalidArgument) and self._requests:
            if len(self.to_send()) == 1:
                photo_id = self._requests[0].photo_id
                self._pop()
                return (AddResult(photo_id, error=error),)
            self._alone = len(self._requests)
            return ()
        if not isinstance(error, Unavailable) or not self._retry or time.monotonic() >= self._give_up:
            raise error
        return ()

    def next_pause(self) -> float:
        """Seconds to wait before the next stream after Unavailable."""
        pause = max(0.0, min(self._pause, self._give_up - time.monotonic()))
        self._pause = min(2 * self._pause, _LAST_PAUSE)
        return pause

    def _pop(self) -> None:
        self._bytes -= self._requests.popleft().ByteSize()
        self._alone = max(0, self._alone - 1)
        self._give_up = time.monotonic() + self._timeout
        self._pause = _FIRST_PAUSE
