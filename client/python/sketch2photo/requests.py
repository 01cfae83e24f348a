"""Python values that become messages of the API: examples, filters, colours, photos. All are immutable."""
from __future__ import annotations

import dataclasses
import functools
from typing import Callable, Iterable, Iterator, List, Mapping, Optional, Sequence, Tuple, TypeVar, Union

from google.protobuf import json_format, text_format

from .errors import Error, InvalidArgument, from_status
from .images import ImageLike, image_bytes
from .v1 import checkpoint_pb2, feedback_pb2, gallery_pb2, model_pb2, search_pb2, training_pb2

# The most ids that the server takes in one call.
IDS_PER_CALL = 1000

_Item = TypeVar("_Item")
_Key = TypeVar("_Key")
_MODALITIES: Mapping[Optional[str], checkpoint_pb2.Modality] = {
    None: checkpoint_pb2.MODALITY_UNSPECIFIED,
    "sketch": checkpoint_pb2.MODALITY_SKETCH,
    "photo": checkpoint_pb2.MODALITY_PHOTO,
}
_CONFLICTS: Mapping[str, gallery_pb2.OnConflict] = {
    "fail": gallery_pb2.ON_CONFLICT_FAIL,
    "replace": gallery_pb2.ON_CONFLICT_REPLACE,
    "skip": gallery_pb2.ON_CONFLICT_SKIP,
}
_FEEDBACK_STATES: Mapping[Optional[str], feedback_pb2.Feedback.State] = {
    None: feedback_pb2.Feedback.STATE_UNSPECIFIED,
    "pending": feedback_pb2.Feedback.STATE_PENDING,
    "accepted": feedback_pb2.Feedback.STATE_ACCEPTED,
    "rejected": feedback_pb2.Feedback.STATE_REJECTED,
}


@dataclasses.dataclass(frozen=True)
class Example:
    """One part of a query: exactly one of image, strokes and photo_id.

    modality: "sketch" or "photo", the encoder for an image; None: sketch. weight: negative for "not like this".
    """
    image: Optional[ImageLike] = None
    strokes: Optional[search_pb2.Strokes] = None
    photo_id: Optional[str] = None
    modality: Optional[str] = None
    weight: float = 1.0


@dataclasses.dataclass(frozen=True)
class ColorRange:
    """Photos that show enough of a colour, "#rrggbb". max_difference is CIEDE2000's; None: the server's default."""
    color: str
    max_difference: Optional[float] = None
    min_share: Optional[float] = None


@dataclasses.dataclass(frozen=True)
class Filter:
    """Conditions that all must hold.

    metadata: exact values. attributes: (least, most) predicted probability by name, both inclusive, None: no bound.
    modality: "sketch" or "photo". exclude_photo_ids: at most 1,000. colors: at most 4.
    """
    metadata: Mapping[str, str] = dataclasses.field(default_factory=dict)
    attributes: Mapping[str, Tuple[Optional[float], Optional[float]]] = dataclasses.field(default_factory=dict)
    modality: Optional[str] = None
    exclude_photo_ids: Sequence[str] = ()
    colors: Sequence[ColorRange] = ()


@dataclasses.dataclass(frozen=True)
class Photo:
    """A photo to add. modality: "photo" or "sketch". on_conflict: "fail", "replace" or "skip" if the id has other content."""
    photo_id: str
    image: ImageLike
    metadata: Mapping[str, str] = dataclasses.field(default_factory=dict)
    modality: Optional[str] = None
    on_conflict: str = "fail"


@dataclasses.dataclass(frozen=True)
class AddResult:
    """The outcome of one photo. error is None if it is stored and searchable; result is then "added", "replaced",
    "unchanged" or "skipped", and otherwise empty."""
    photo_id: str
    result: str = ""
    error: Optional[Error] = None


@dataclasses.dataclass(frozen=True)
class ExportedFeedback:
    """An accepted match. photo is None if an earlier entry of the export has had the bytes of the same photo."""
    feedback: feedback_pb2.Feedback
    sketch: bytes
    identity: str
    photo_content_type: str
    photo: Optional[bytes]


Query = Union[ImageLike, Example, Sequence[Example]]
TrainingSpecLike = Union[training_pb2.TrainingSpec, str, Mapping[str, object]]


def _choice(table: Mapping[_Key, _Item], value: _Key, field: str) -> _Item:
    if value not in table:
        names = ", ".join(str(name) for name in table if name is not None)
        raise InvalidArgument("%s: %r is none of %s" % (field, value, names))
    return table[value]


def checked(field: str, build: Callable[[], _Item]) -> _Item:
    """The value of `build`; protobuf's complaint about a type or a range becomes InvalidArgument."""
    try:
        return build()
    except (TypeError, ValueError) as error:
        if isinstance(error, Error):
            raise
        raise InvalidArgument("%s: %s" % (field, error)) from error


def example_message(example: Example, field: str = "query") -> search_pb2.Example:
    contents = [content for content in (example.image, example.strokes, example.photo_id) if content is not None]
    if len(contents) != 1:
        raise InvalidArgument("%s: an example has exactly one of image, strokes and photo_id" % field)
    return checked(field, lambda: search_pb2.Example(
        image=None if example.image is None else image_bytes(example.image), strokes=example.strokes,
        photo_id=example.photo_id, modality=_choice(_MODALITIES, example.modality, "modality"), weight=example.weight))


def filter_message(conditions: Optional[Filter]) -> Optional[search_pb2.Filter]:
    return None if conditions is None else checked("filter", functools.partial(_filter, conditions))


def _filter(conditions: Filter) -> search_pb2.Filter:
    return search_pb2.Filter(
        metadata=dict(conditions.metadata),
        attributes=[search_pb2.AttributeRange(name=name, min=least, max=most)
                    for name, (least, most) in conditions.attributes.items()],
        modality=_choice(_MODALITIES, conditions.modality, "modality"),
        exclude_photo_ids=conditions.exclude_photo_ids,
        colors=[search_pb2.ColorRange(color=search_pb2.Color(rgb=wanted.color), max_difference=wanted.max_difference,
                                      min_share=wanted.min_share) for wanted in conditions.colors])


def search_request(query: Query, top_k: int, min_score: Optional[float], conditions: Optional[Filter],
                   colors: Mapping[str, Optional[float]], with_attributes: bool) -> search_pb2.SearchRequest:
    if isinstance(query, Example):
        examples = [query]
    elif isinstance(query, (list, tuple)):
        examples = list(query)
    else:
        examples = [Example(image=query)]
    return checked("search", lambda: search_pb2.SearchRequest(
        examples=[example_message(example) for example in examples], top_k=top_k, min_score=min_score,
        filter=filter_message(conditions), with_attributes=with_attributes,
        color_preferences=[search_pb2.ColorPreference(color=search_pb2.Color(rgb=color), weight=weight)
                           for color, weight in colors.items()]))


def add_request(photo: Photo) -> gallery_pb2.AddPhotoRequest:
    return checked("photo " + repr(photo.photo_id), lambda: gallery_pb2.AddPhotoRequest(
        photo_id=photo.photo_id, image=image_bytes(photo.image), metadata=dict(photo.metadata),
        modality=_choice(_MODALITIES, photo.modality, "modality"),
        on_conflict=_choice(_CONFLICTS, photo.on_conflict, "on_conflict")))


def add_result(response: gallery_pb2.AddPhotoResponse, request_id: str) -> AddResult:
    if response.status.code:
        return AddResult(response.photo_id,
                         error=from_status(response.status.code, response.status.message, request_id))
    name = gallery_pb2.AddPhotoResponse.Result.Name(response.result)
    return AddResult(response.photo_id, name[len("RESULT_"):].lower())


def record_request(drawing: Union[ImageLike, search_pb2.Strokes], photo_id: str, match: bool,
                   feedback_id: str) -> feedback_pb2.RecordFeedbackRequest:
    request = checked("record_feedback", lambda: feedback_pb2.RecordFeedbackRequest(
        feedback_id=feedback_id, photo_id=photo_id,
        verdict=feedback_pb2.VERDICT_MATCH if match else feedback_pb2.VERDICT_NO_MATCH))
    if isinstance(drawing, search_pb2.Strokes):
        request.strokes.CopyFrom(drawing)
    else:
        request.image = image_bytes(drawing)
    return request


def feedback_state(state: Optional[str]) -> feedback_pb2.Feedback.State:
    return _choice(_FEEDBACK_STATES, state, "state")


def serving_version_request(version: Optional[int]) -> model_pb2.SetServingVersionRequest:
    return checked("version", lambda: model_pb2.SetServingVersionRequest(version=version))


def training_spec(spec: TrainingSpecLike) -> training_pb2.TrainingSpec:
    """A message, a mapping with the fields of protobuf's JSON form, or a string in protobuf's text form."""
    if isinstance(spec, training_pb2.TrainingSpec):
        return spec
    message = training_pb2.TrainingSpec()
    try:
        if isinstance(spec, str):
            text_format.Parse(spec, message)
        else:
            json_format.ParseDict(dict(spec), message)
    except (text_format.ParseError, json_format.ParseError) as error:
        raise InvalidArgument("spec: %s" % error) from error
    return message


def in_calls(ids: Iterable[str]) -> Iterator[List[str]]:
    """The ids in lists that one call takes."""
    if isinstance(ids, str):
        raise InvalidArgument("ids: expected several ids, not one string")
    listed = list(ids)
    for start in range(0, len(listed), IDS_PER_CALL):
        yield listed[start:start + IDS_PER_CALL]


def refused(photo: Photo, error: Exception) -> Error:
    """The error of a photo that cannot be sent."""
    if isinstance(error, Error):
        return error
    return InvalidArgument("photo %r: %s" % (photo.photo_id, error))


class ExportReader:
    """Joins the messages of ExportFeedback to entries. Holds one photo. One thread only."""

    def __init__(self) -> None:
        self._entry: Optional[feedback_pb2.ExportFeedbackResponse] = None
        self._chunks: List[bytes] = []

    def take(self, message: feedback_pb2.ExportFeedbackResponse) -> Iterator[ExportedFeedback]:
        if message.HasField("feedback"):
            yield from self.end()
            self._entry = message
        self._chunks.append(message.photo_chunk)

    def end(self) -> Iterator[ExportedFeedback]:
        entry, photo = self._entry, b"".join(self._chunks)
        self._entry, self._chunks = None, []
        if entry is None:
            return
        if len(photo) != entry.photo_bytes:
            raise from_status(15, "the export ended within photo %r" % entry.feedback.photo_id)
        yield ExportedFeedback(entry.feedback, entry.sketch, entry.identity, entry.photo_content_type, photo or None)
