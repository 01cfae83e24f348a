"""Connections: addresses, keys, TLS, and which calls are retried."""
from __future__ import annotations

import dataclasses
import ipaddress
import json
import uuid
from typing import Any, List, Optional, Tuple

import grpc

from .errors import InvalidArgument
from .v1 import feedback_pb2, gallery_pb2, model_pb2, search_pb2, training_pb2

DEFAULT_SERVER = "127.0.0.1:50051"
DEFAULT_TRAINER = "127.0.0.1:50052"

# A request that does not fit is sent only once; servers accept messages of 16 MiB by default.
_RETRY_BUFFER_BYTES = 16 << 20
_MAX_MESSAGE_BYTES = 64 << 20
Metadata = List[Tuple[str, str]]


def _policy(codes: List[str]) -> Any:
    return {"maxAttempts": 5, "initialBackoff": "0.1s", "maxBackoff": "2s", "backoffMultiplier": 2,
            "retryableStatusCodes": codes}


def _service_config() -> str:
    """Every method may be repeated but SubmitJob, which is retried only if the trainer said that it is busy.

    AddPhotos has no policy: its callers here resume it where it broke.
    """
    services = ["SearchService", "GalleryService", "ModelService", "FeedbackService", "TrainingService"]
    return json.dumps({"methodConfig": [
        {"name": [{"service": "s2p.v1.GalleryService", "method": "AddPhotos"}]},
        {"name": [{"service": "s2p.v1.TrainingService", "method": "SubmitJob"}],
         "retryPolicy": _policy(["RESOURCE_EXHAUSTED"])},
        {"name": [{"service": "s2p.v1." + service} for service in services],
         "retryPolicy": _policy(["RESOURCE_EXHAUSTED", "UNAVAILABLE"])}]})


@dataclasses.dataclass(frozen=True)
class Method:
    """One RPC: its path and the type of its replies."""
    path: str
    response: Any


def _method(service: str, name: str, module: Any, response: str = "") -> Method:
    return Method("/s2p.v1.%s/%s" % (service, name), getattr(module, (response or name) + "Response"))


SEARCH = _method("SearchService", "Search", search_pb2)
ADD_PHOTOS = _method("GalleryService", "AddPhotos", gallery_pb2, "AddPhoto")
DELETE_PHOTOS = _method("GalleryService", "DeletePhotos", gallery_pb2)
UPDATE_PHOTO_METADATA = _method("GalleryService", "UpdatePhotoMetadata", gallery_pb2)
GET_PHOTO = _method("GalleryService", "GetPhoto", gallery_pb2)
LIST_PHOTOS = _method("GalleryService", "ListPhotos", gallery_pb2)
GET_GALLERY_STATS = _method("GalleryService", "GetGalleryStats", gallery_pb2)
GET_MODEL_STATUS = _method("ModelService", "GetModelStatus", model_pb2)
SET_SERVING_VERSION = _method("ModelService", "SetServingVersion", model_pb2)
WATCH_MODEL_STATUS = _method("ModelService", "WatchModelStatus", model_pb2)
RECORD_FEEDBACK = _method("FeedbackService", "RecordFeedback", feedback_pb2)
LIST_FEEDBACK = _method("FeedbackService", "ListFeedback", feedback_pb2)
GET_FEEDBACK = _method("FeedbackService", "GetFeedback", feedback_pb2)
REVIEW_FEEDBACK = _method("FeedbackService", "ReviewFeedback", feedback_pb2)
DELETE_FEEDBACK = _method("FeedbackService", "DeleteFeedback", feedback_pb2)
EXPORT_FEEDBACK = _method("FeedbackService", "ExportFeedback", feedback_pb2)
GET_FEEDBACK_STATS = _method("FeedbackService", "GetFeedbackStats", feedback_pb2)
SUBMIT_JOB = _method("TrainingService", "SubmitJob", training_pb2)
GET_JOB = _method("TrainingService", "GetJob", training_pb2)
LIST_JOBS = _method("TrainingService", "ListJobs", training_pb2)
CANCEL_JOB = _method("TrainingService", "CancelJob", training_pb2)
RETRY_JOB = _method("TrainingService", "RetryJob", training_pb2)
WATCH_JOB = _method("TrainingService", "WatchJob", training_pb2)


def serialize(message: Any) -> bytes:
    content: bytes = message.SerializeToString()
    return content


def is_this_machine(server: str) -> bool:
    if server.startswith("unix:"):
        return True
    host = server.rpartition(":")[0].strip("[]")
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@dataclasses.dataclass(frozen=True)
class Options:
    """How to reach a server. The TLS values are bytes in PEM form.

    api_key: sent with each call. tls_ca: the authority to trust; without it the connection is plain text. tls_cert and
    tls_key: both or neither, for servers that ask for certificates. insecure: the key may travel to another machine in
    plain text. timeout: seconds that a call may take with its retries; long streams have none. retry: calls that can
    safely be repeated are, if the server is busy or not up yet.
    """
    server: str
    api_key: str = ""
    tls_ca: Optional[bytes] = None
    tls_cert: Optional[bytes] = None
    tls_key: Optional[bytes] = None
    insecure: bool = False
    timeout: float = 30.0
    retry: bool = True

    def __post_init__(self) -> None:
        if any(not "!" <= letter <= "~" for letter in self.api_key):
            raise InvalidArgument("api_key: a key is printable ASCII without spaces and line ends")
        if (self.tls_cert is None) != (self.tls_key is None):
            raise InvalidArgument("tls_cert and tls_key belong together: give both")
        if self.tls_cert is not None and self.tls_ca is None:
            raise InvalidArgument("tls_cert needs tls_ca, the authority to trust")
        if not self.timeout > 0:
            raise InvalidArgument("timeout: %r is not positive" % (self.timeout,))
        if self.api_key and self.tls_ca is None and not self.insecure and not is_this_machine(self.server):
            raise InvalidArgument("the API key would travel to %s in plain text: give tls_ca, or insecure=True if the "
                                  "network itself is safe" % self.server)

    def credentials(self) -> Any:
        """None for plain text."""
        if self.tls_ca is None:
            return None
        return grpc.ssl_channel_credentials(self.tls_ca, self.tls_key, self.tls_cert)

    def channel_arguments(self) -> List[Tuple[str, Any]]:
        arguments: List[Tuple[str, Any]] = [
            ("grpc.enable_retries", int(self.retry)),
            ("grpc.per_rpc_retry_buffer_size", _RETRY_BUFFER_BYTES),
            ("grpc.max_receive_message_length", _MAX_MESSAGE_BYTES),
            ("grpc.max_send_message_length", -1),
            ("grpc.initial_reconnect_backoff_ms", 100),
            ("grpc.min_reconnect_backoff_ms", 5000),
            ("grpc.max_reconnect_backoff_ms", 2000),
            ("grpc.keepalive_time_ms", 30000),
            ("grpc.keepalive_timeout_ms", 20000),
            ("grpc.http2.max_pings_without_data", 0),
            # gRPC would use http_proxy for this machine, too.
            ("grpc.enable_http_proxy", 0 if is_this_machine(self.server) else 1),
            # Clients of one process share no connection, so that closing one affects no other.
            ("grpc.use_local_subchannel_pool", 1),
        ]
        if self.retry:
            arguments.append(("grpc.service_config", _service_config()))
        return arguments

    def metadata(self) -> Tuple[str, Metadata]:
        """A new request id, and what is sent with the call."""
        request_id = uuid.uuid4().hex
        metadata = [("x-request-id", request_id)]
        if self.api_key:
            metadata.append(("authorization", "Bearer " + self.api_key))
        return request_id, metadata
