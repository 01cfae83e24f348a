"""Client of sketch2photo: finds photos by sketches, keeps the gallery and feedback, runs training jobs."""
from . import errors
from ._version import VERSION as __version__
from .client import Client, TrainerClient
from .errors import (AlreadyExists, Cancelled, DataLoss, DeadlineExceeded, Error, FailedPrecondition, Internal,
                     InvalidArgument, MessageTooLarge, NotFound, PermissionDenied, ResourceExhausted, Unauthenticated,
                     Unavailable, Unimplemented)
from .images import ImageLike, image_bytes
from .requests import AddResult, ColorRange, Example, ExportedFeedback, Filter, Photo

__all__ = [
    "AddResult", "AlreadyExists", "Cancelled", "Client", "ColorRange", "DataLoss",
    "DeadlineExceeded", "Error", "Example", "ExportedFeedback", "FailedPrecondition", "Filter", "ImageLike", "Internal",
    "InvalidArgument", "MessageTooLarge", "NotFound", "PermissionDenied", "Photo", "ResourceExhausted", "TrainerClient",
    "Unauthenticated", "Unavailable", "Unimplemented", "__version__", "errors", "image_bytes",
]
