"""What a watch remembers between streams: where to resume, and for how long to try."""
from __future__ import annotations

import time
from typing import Optional

from .errors import Unavailable
from .v1 import training_pb2

_Job = training_pb2.Job
ENDED = (_Job.STATE_SUCCEEDED, _Job.STATE_FAILED, _Job.STATE_CANCELLED)
_FIRST_PAUSE = 0.1
_LAST_PAUSE = 2.0


class Resumption:
    """One thread only. A stream that breaks after its first message is opened again until `timeout` seconds pass
    without a message."""

    def __init__(self, timeout: float, retry: bool) -> None:
        self._timeout = timeout
        self._retry = retry
        self._give_up: Optional[float] = None
        self._pause = _FIRST_PAUSE

    def message(self) -> None:
        self._give_up = time.monotonic() + self._timeout
        self._pause = _FIRST_PAUSE

    def pause_after(self, error: Unavailable) -> float:
        """Seconds to wait before the next stream; raises `error` if there should be none."""
        if not self._retry or self._give_up is None or time.monotonic() >= self._give_up:
            raise error
        pause = max(0.0, min(self._pause, self._give_up - time.monotonic()))
        self._pause = min(2 * self._pause, _LAST_PAUSE)
        return pause


class JobEvents:
    """One thread only. Knows which events were passed on; the trainer repeats the last one while nothing happens."""

    def __init__(self, job_id: str, from_event: int) -> None:
        self._job_id = job_id
        self._next = max(1, from_event)
        self._state: Optional[int] = None

    def request(self) -> training_pb2.WatchJobRequest:
        return training_pb2.WatchJobRequest(job_id=self._job_id, from_event=self._next)

    def is_new(self, event: training_pb2.WatchJobResponse) -> bool:
        # A state may be new under an old number if its event was lost.
        new = event.event >= self._next or event.state != self._state
        self._next = max(self._next, event.event + 1)
        self._state = event.state
        return new

    def has_ended(self) -> bool:
        return self._state in ENDED
