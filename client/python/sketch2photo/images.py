"""What a caller may give as an image, and the bytes that are sent for it. Neither numpy nor Pillow is imported."""
from __future__ import annotations

import io
import os
import struct
import sys
import zlib
from typing import Any, Union

from .errors import InvalidArgument

# A path, the bytes of a JPEG, PNG or WebP, a numpy array, or a PIL image.
ImageLike = Union[str, "os.PathLike[str]", bytes, bytearray, memoryview, Any]


def image_bytes(image: ImageLike) -> bytes:
    """The bytes of a JPEG, PNG or WebP.

    A file and bytes are sent as they are. An array becomes a PNG: [height, width] or [height, width, 1, 3 or 4] (grey,
    RGB, RGBA), of uint8, of bool (True is white), or of floats in [0, 1]. A PIL image becomes a PNG, too.
    OSError for a file that cannot be read; InvalidArgument for all else.
    """
    if isinstance(image, (bytes, bytearray, memoryview)):
        content = bytes(image)
        if not content:
            raise InvalidArgument("image: it is empty")
        return content
    if isinstance(image, (str, os.PathLike)):
        with open(image, "rb") as file:
            return image_bytes(file.read())
    numpy = sys.modules.get("numpy")
    if numpy is not None and isinstance(image, numpy.ndarray):
        return _array_png(numpy, image)
    pillow = sys.modules.get("PIL.Image")
    if pillow is not None and isinstance(image, pillow.Image):
        return _pillow_png(image)
    raise InvalidArgument("image: %s is neither a path, bytes, a numpy array nor a PIL image" % type(image).__name__)


def _pillow_png(image: Any) -> bytes:
    if 0 in image.size:
        raise InvalidArgument("image: it is empty")
    if image.mode not in ("1", "L", "LA", "P", "RGB", "RGBA"):
        image = image.convert("RGB")
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def _array_png(numpy: Any, array: Any) -> bytes:
    channels = 1 if array.ndim == 2 else array.shape[2] if array.ndim == 3 else 0
    if channels not in (1, 3, 4):
        raise InvalidArgument("image: an array of shape %s; expected [height, width] or [height, width, 1, 3 or 4]"
                              % (array.shape,))
    if array.size == 0:
        raise InvalidArgument("image: an array of shape %s is empty" % (array.shape,))
    if array.dtype == numpy.bool_:
        array = array.astype(numpy.uint8) * 255
    elif numpy.issubdtype(array.dtype, numpy.floating):
        # NaN fails both comparisons.
        if not bool(((array >= 0) & (array <= 1)).all()):
            raise InvalidArgument("image: an array of floats has values outside [0, 1] or NaN")
        array = numpy.rint(array * 255).astype(numpy.uint8)
    elif array.dtype != numpy.uint8:
        raise InvalidArgument("image: an array of %s; expected uint8, bool or floats in [0, 1]" % array.dtype)
    height, width = array.shape[:2]
    return _png(array.tobytes(), width, height, channels)


def _png(pixels: bytes, width: int, height: int, channels: int) -> bytes:
    """A PNG of 8 bits a channel; `pixels` are rows of interleaved channels."""
    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    row = width * channels
    rows = b"".join(b"\0" + pixels[start:start + row] for start in range(0, len(pixels), row))
    kind = {1: 0, 3: 2, 4: 6}[channels]
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, kind, 0, 0, 0))
            + chunk(b"IDAT", zlib.compress(rows, 6)) + chunk(b"IEND", b""))
