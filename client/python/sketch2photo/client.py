"""The clients that block: Client for s2p-server, TrainerClient for s2p-trainer serve."""
from __future__ import annotations

import functools
import queue
import time
from types import TracebackType
from typing import Any, Iterable, Iterator, List, Mapping, Optional, Tuple, Type, TypeVar, Union

import grpc

from . import connection as rpc
from . import requests as build
from .adding import Unanswered
from .connection import DEFAULT_SERVER, DEFAULT_TRAINER, Method, Options
from .errors import Cancelled, Error, InvalidArgument, Unavailable, from_rpc
from .images import ImageLike
from .v1 import feedback_pb2, gallery_pb2, model_pb2, search_pb2, training_pb2
from .watching import JobEvents, Resumption

_Self = TypeVar("_Self", bound="_Connection")


class _Stream:
    """One streamed call; an iterator of its replies that raises Error. One thread only."""

    def __init__(self, call: Any, request_id: str) -> None:
        self._call = call
        self.request_id = request_id

    def __iter__(self) -> "_Stream":
        return self

    def __next__(self) -> Any:
        try:
            return next(self._call)
        except grpc.RpcError as error:
            raise from_rpc(error, self.request_id) from error

    def cancel(self) -> None:
        self._call.cancel()


class _Connection:
    """Thread-safe, apart from the iterators that methods return, each of which belongs to one thread. Does not survive
    a fork. Connects with the first call. Close it, or use it in a `with`; calls that run are then cancelled."""

    def __init__(self, options: Options) -> None:
        self._options = options
        credentials = options.credentials()
        arguments = options.channel_arguments()
        self._channel = (grpc.insecure_channel(options.server, arguments) if credentials is None
                         else grpc.secure_channel(options.server, credentials, arguments))

    def close(self) -> None:
        self._channel.close()

    def __enter__(self: _Self) -> _Self:
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException],
                 trace: Optional[TracebackType]) -> None:
        self.close()

    def _call(self, method: Method, request: Any, timeout: Optional[float] = None) -> Any:
        call = self._channel.unary_unary(method.path, request_serializer=rpc.serialize,
                                         response_deserializer=method.response.FromString)
        request_id, metadata = self._options.metadata()
        try:
            return call(request, timeout=timeout or self._options.timeout, metadata=metadata)
        except grpc.RpcError as error:
            raise from_rpc(error, request_id) from error
        except ValueError as error:  # What grpcio raises for a closed channel.
            raise Cancelled(str(error)) from error

    def _stream(self, method: Method, request: Any, timeout: Optional[float] = None) -> _Stream:
        call = self._channel.unary_stream(method.path, request_serializer=rpc.serialize,
                                          response_deserializer=method.response.FromString)
        return self._open(call, request, timeout)

    def _open(self, call: Any, request: Any, timeout: Optional[float]) -> _Stream:
        request_id, metadata = self._options.metadata()
        try:
            return _Stream(call(request, timeout=timeout, metadata=metadata), request_id)
        except ValueError as error:
            raise Cancelled(str(error)) from error


class _AddStream:
    """One stream of AddPhotos, whose photos are given one by one. One thread only."""

    def __init__(self, connection: _Connection) -> None:
        self._requests: "queue.SimpleQueue[Optional[gallery_pb2.AddPhotoRequest]]" = queue.SimpleQueue()
        call = connection._channel.stream_stream(
            rpc.ADD_PHOTOS.path, request_serializer=rpc.serialize,
            response_deserializer=rpc.ADD_PHOTOS.response.FromString)
        try:
            self._replies = connection._open(call, iter(self._requests.get, None), None)
        except Cancelled:
            self._requests.put(None)
            raise

    def send(self, request: gallery_pb2.AddPhotoRequest) -> None:
        self._requests.put(request)

    def result(self) -> build.AddResult:
        for response in self._replies:
            return build.add_result(response, self._replies.request_id)
        raise Unavailable("the server ended the stream before its last answer", request_id=self._replies.request_id)

    def end(self) -> None:
        self._requests.put(None)
        self._replies.cancel()


class _Addition:
    """One call of add_photos: reads photos, sends them and opens the stream again when it breaks. One thread only."""

    def __init__(self, connection: _Connection, photos: Iterable[build.Photo], unanswered: Unanswered) -> None:
        self._connection = connection
        self._source = iter(photos)
        self._has_more = True
        self._unanswered = unanswered
        self._stream: Optional[_AddStream] = None

    def results(self) -> Iterator[build.AddResult]:
        try:
            while self._has_more or len(self._unanswered):
                yield from self._read_ahead()
                if len(self._unanswered):
                    yield from self._receive()
        finally:
            self._end_stream()

    def _read_ahead(self) -> Iterator[build.AddResult]:
        """Sends photos while there is room; yields the results of those that cannot be sent."""
        while self._has_more and self._unanswered.has_room():
            photo = next(self._source, None)
            if photo is None:
                self._has_more = False
                return
            try:
                request = build.add_request(photo)
            except (OSError, InvalidArgument) as error:
                yield build.AddResult(photo.photo_id, error=build.refused(photo, error))
                continue
            self._unanswered.push(request)
            if self._stream is not None:
                self._stream.send(request)

    def _receive(self) -> Iterator[build.AddResult]:
        """Yields the next result, or none after a stream has broken and another one may do better."""
        try:
            stream = self._opened_stream()
            result = self._unanswered.answered(stream.result())
            if self._unanswered.sends_alone():
                stream.send(self._unanswered.to_send()[0])
        except Error as error:
            self._end_stream()
            yield from self._unanswered.broken(error)
            if isinstance(error, Unavailable):
                time.sleep(self._unanswered.next_pause())
            return
        yield result

    def _opened_stream(self) -> _AddStream:
        if self._stream is None:
            self._stream = _AddStream(self._connection)
            for request in self._unanswered.to_send():
                self._stream.send(request)
        return self._stream

    def _end_stream(self) -> None:
        if self._stream is not None:
            self._stream.end()
            self._stream = None


class Client(_Connection):
    """A connection to s2p-server; options are those of Options."""

    def __init__(self, server: str = DEFAULT_SERVER, *, api_key: str = "", tls_ca: Optional[bytes] = None,
                 tls_cert: Optional[bytes] = None, tls_key: Optional[bytes] = None, insecure: bool = False,
                 timeout: float = 30.0, retry: bool = True) -> None:
        super().__init__(Options(server, api_key, tls_ca, tls_cert, tls_key, insecure, timeout, retry))

    def search(self, query: build.Query, *, top_k: int = 10, min_score: Optional[float] = None,
               filter: Optional[build.Filter] = None, colors: Optional[Mapping[str, Optional[float]]] = None,
               with_attributes: bool = False, timeout: Optional[float] = None) -> search_pb2.SearchResponse:
        """Ranks the gallery. An image is a sketch unless an Example says otherwise. `colors`: weight by "#rrggbb", None
        for the server's default."""
        response: search_pb2.SearchResponse = self._call(
            rpc.SEARCH, build.search_request(query, top_k, min_score, filter, colors or {}, with_attributes), timeout)
        return response

    def add_photos(self, photos: Iterable[build.Photo]) -> Iterator[build.AddResult]:
        """Adds photos and yields one result for each, in order, but a photo that cannot be sent is reported at once.

        `photos` is read in the caller's thread, at most 16 photos or 32 MiB ahead of the results. A stream that breaks
        is opened again, and photos without a result are sent again, until the client's timeout passes without a
        result; then Unavailable is raised, whose `unanswered` names them. End the loop early by closing the iterator.
        """
        return _Addition(self, photos, Unanswered(self._options.timeout, self._options.retry)).results()

    def add_photo(self, photo: build.Photo) -> build.AddResult:
        """Adds one photo; raises its error."""
        for result in self.add_photos([photo]):
            if result.error is not None:
                raise result.error
            return result
        raise AssertionError("add_photos yields one result for each photo")

    def get_photo(self, photo_id: str, *, timeout: Optional[float] = None) -> gallery_pb2.Photo:
        """What is known about a photo, without its pixels."""
        return self._photo(photo_id, gallery_pb2.RENDITION_NONE, timeout)[0]

    def get_original(self, photo_id: str, *, timeout: Optional[float] = None) -> bytes:
        """The bytes that were added."""
        return self._photo(photo_id, gallery_pb2.RENDITION_ORIGINAL, timeout)[1]

    def get_thumbnail(self, photo_id: str, *, timeout: Optional[float] = None) -> bytes:
        """A JPEG whose longer side is at most 256 pixels."""
        return self._photo(photo_id, gallery_pb2.RENDITION_THUMBNAIL, timeout)[1]

    def _photo(self, photo_id: str, rendition: gallery_pb2.Rendition,
               timeout: Optional[float]) -> Tuple[gallery_pb2.Photo, bytes]:
        request = build.checked("photo_id", lambda: gallery_pb2.GetPhotoRequest(photo_id=photo_id, rendition=rendition))
        messages = list(self._stream(rpc.GET_PHOTO, request, timeout or self._options.timeout))
        return messages[0].photo, b"".join(message.chunk for message in messages)

    def list_photos(self, *, filter: Optional[build.Filter] = None, page_size: int = 100) -> Iterator[gallery_pb2.Photo]:
        """All photos that pass, in order of their ids, fetched page by page."""
        token = ""
        while True:
            page = self._call(rpc.LIST_PHOTOS, build.checked("list_photos", lambda: gallery_pb2.ListPhotosRequest(
                page_size=page_size, page_token=token, filter=build.filter_message(filter))))
            yield from page.photos
            token = page.next_page_token
            if not token:
                return

    def delete_photos(self, photo_ids: Iterable[str]) -> List[str]:
        """Deletes photos, 1,000 a call. Returns the ids that were not in the gallery."""
        missing: List[str] = []
        for ids in build.in_calls(photo_ids):
            request = build.checked("photo_ids", lambda: gallery_pb2.DeletePhotosRequest(photo_ids=ids))
            missing.extend(self._call(rpc.DELETE_PHOTOS, request).missing_photo_ids)
        return missing

    def update_metadata(self, photo_id: str, metadata: Mapping[str, str]) -> gallery_pb2.Photo:
        """Replaces all metadata of a photo."""
        request = build.checked("metadata", lambda: gallery_pb2.UpdatePhotoMetadataRequest(
            photo_id=photo_id, metadata=dict(metadata)))
        photo: gallery_pb2.Photo = self._call(rpc.UPDATE_PHOTO_METADATA, request).photo
        return photo

    def gallery_stats(self) -> gallery_pb2.GetGalleryStatsResponse:
        stats: gallery_pb2.GetGalleryStatsResponse = self._call(
            rpc.GET_GALLERY_STATS, gallery_pb2.GetGalleryStatsRequest())
        return stats

    def model_status(self) -> model_pb2.GetModelStatusResponse:
        """Versions, newest first, the one that serves, and what is broken."""
        status: model_pb2.GetModelStatusResponse = self._call(rpc.GET_MODEL_STATUS, model_pb2.GetModelStatusRequest())
        return status

    def watch_model_status(self) -> Iterator[model_pb2.GetModelStatusResponse]:
        """The status now and after each change, without an end. A stream that breaks is opened again."""
        resumption = Resumption(self._options.timeout, self._options.retry)
        while True:
            stream = self._stream(rpc.WATCH_MODEL_STATUS, model_pb2.WatchModelStatusRequest())
            try:
                for message in stream:
                    resumption.message()
                    yield message.status
                raise Unavailable("the server ended the watch", request_id=stream.request_id)
            except Unavailable as error:
                time.sleep(resumption.pause_after(error))
            finally:
                stream.cancel()

    def set_serving_version(self, version: Optional[int]) -> model_pb2.GetModelStatusResponse:
        """Pins a version; None: the server follows the newest."""
        status: model_pb2.GetModelStatusResponse = self._call(
            rpc.SET_SERVING_VERSION, build.serving_version_request(version)).status
        return status

    def record_feedback(self, drawing: Union[ImageLike, search_pb2.Strokes], photo_id: str, *, match: bool = True,
                        feedback_id: str = "") -> feedback_pb2.RecordFeedbackResponse:
        """Keeps a drawing, and whether the photo shows what was drawn."""
        reply: feedback_pb2.RecordFeedbackResponse = self._call(
            rpc.RECORD_FEEDBACK, build.record_request(drawing, photo_id, match, feedback_id))
        return reply

    def list_feedback(self, *, state: Optional[str] = None, recorded_by: str = "",
                      page_size: int = 100) -> Iterator[feedback_pb2.Feedback]:
        """Entries, oldest first, fetched page by page. `state`: "pending", "accepted", "rejected" or None for all."""
        token = ""
        while True:
            page = self._call(rpc.LIST_FEEDBACK, build.checked("list_feedback", lambda: feedback_pb2.ListFeedbackRequest(
                page_size=page_size, page_token=token, state=build.feedback_state(state), recorded_by=recorded_by)))
            yield from page.feedback
            token = page.next_page_token
            if not token:
                return

    def get_feedback(self, feedback_id: str, *, with_sketch: bool = False) -> feedback_pb2.GetFeedbackResponse:
        request = build.checked("feedback_id", lambda: feedback_pb2.GetFeedbackRequest(
            feedback_id=feedback_id, with_sketch=with_sketch))
        reply: feedback_pb2.GetFeedbackResponse = self._call(rpc.GET_FEEDBACK, request)
        return reply

    def review_feedback(self, feedback_ids: Iterable[str], state: str) -> List[str]:
        """Sets entries to "accepted", "rejected" or "pending", 1,000 a call. Returns the ids that are unknown."""
        missing: List[str] = []
        for ids in build.in_calls(feedback_ids):
            request = build.checked("feedback_ids", lambda: feedback_pb2.ReviewFeedbackRequest(
                feedback_ids=ids, state=build.feedback_state(state)))
            missing.extend(self._call(rpc.REVIEW_FEEDBACK, request).missing_feedback_ids)
        return missing

    def delete_feedback(self, feedback_ids: Iterable[str]) -> List[str]:
        """Forgets entries, 1,000 a call. Returns the ids that are unknown."""
        missing: List[str] = []
        for ids in build.in_calls(feedback_ids):
            request = build.checked("feedback_ids", lambda: feedback_pb2.DeleteFeedbackRequest(feedback_ids=ids))
            missing.extend(self._call(rpc.DELETE_FEEDBACK, request).missing_feedback_ids)
        return missing

    def export_feedback(self) -> Iterator[build.ExportedFeedback]:
        """The accepted matches with drawings and photos, ordered by photo id; holds one photo at a time."""
        stream = self._stream(rpc.EXPORT_FEEDBACK, feedback_pb2.ExportFeedbackRequest())
        entries = build.ExportReader()
        try:
            for message in stream:
                yield from entries.take(message)
            yield from entries.end()
        finally:
            stream.cancel()

    def feedback_stats(self) -> feedback_pb2.GetFeedbackStatsResponse:
        stats: feedback_pb2.GetFeedbackStatsResponse = self._call(
            rpc.GET_FEEDBACK_STATS, feedback_pb2.GetFeedbackStatsRequest())
        return stats


class TrainerClient(_Connection):
    """A connection to s2p-trainer serve; options are those of Options."""

    def __init__(self, server: str = DEFAULT_TRAINER, *, api_key: str = "", tls_ca: Optional[bytes] = None,
                 tls_cert: Optional[bytes] = None, tls_key: Optional[bytes] = None, insecure: bool = False,
                 timeout: float = 30.0, retry: bool = True) -> None:
        super().__init__(Options(server, api_key, tls_ca, tls_cert, tls_key, insecure, timeout, retry))

    def submit_job(self, spec: build.TrainingSpecLike) -> training_pb2.Job:
        """Queues a job. Not repeated when the connection breaks: look at list_jobs first."""
        job: training_pb2.Job = self._call(
            rpc.SUBMIT_JOB, training_pb2.SubmitJobRequest(spec=build.training_spec(spec))).job
        return job

    def get_job(self, job_id: str) -> training_pb2.Job:
        return self._job(rpc.GET_JOB, training_pb2.GetJobRequest, job_id)

    def cancel_job(self, job_id: str) -> training_pb2.Job:
        """Asks a job to end. FailedPrecondition if it has ended."""
        return self._job(rpc.CANCEL_JOB, training_pb2.CancelJobRequest, job_id)

    def retry_job(self, job_id: str) -> training_pb2.Job:
        """Queues a job again that failed or was cancelled. FailedPrecondition in any other state."""
        return self._job(rpc.RETRY_JOB, training_pb2.RetryJobRequest, job_id)

    def _job(self, method: Method, message: Any, job_id: str) -> training_pb2.Job:
        request: Any = build.checked("job_id", functools.partial(message, job_id=job_id))
        job: training_pb2.Job = self._call(method, request).job
        return job

    def list_jobs(self, *, page_size: int = 100) -> Iterator[training_pb2.Job]:
        """All jobs, newest first, fetched page by page."""
        token = ""
        while True:
            page = self._call(rpc.LIST_JOBS, build.checked("list_jobs", lambda: training_pb2.ListJobsRequest(
                page_size=page_size, page_token=token)))
            yield from page.jobs
            token = page.next_page_token
            if not token:
                return

    def watch_job(self, job_id: str, *, from_event: int = 1) -> Iterator[training_pb2.WatchJobResponse]:
        """Each event from `from_event` on, once, until the job has ended. A stream that breaks is resumed."""
        events = build.checked("job_id", lambda: JobEvents(job_id, from_event))
        resumption = Resumption(self._options.timeout, self._options.retry)
        while not events.has_ended():
            stream = self._stream(rpc.WATCH_JOB, build.checked("job_id", events.request))
            try:
                for event in stream:
                    resumption.message()
                    if events.is_new(event):
                        yield event
                if not events.has_ended():
                    raise Unavailable("the trainer ended the watch before the job's end", request_id=stream.request_id)
            except Unavailable as error:
                time.sleep(resumption.pause_after(error))
            finally:
                stream.cancel()

    def wait_for_job(self, job_id: str) -> training_pb2.Job:
        """Watches a job to its end; returns it, whether it succeeded or not."""
        for _ in self.watch_job(job_id):
            pass
        return self.get_job(job_id)
