#!/usr/bin/env python3
# SPDX-License-Identifier: MIT AND HPND
#
# Copyright (c) 2026 The sketch2photo authors
#
# Permission is hereby granted, free of charge, to any person obtaining a copy
# of this software and associated documentation files (the "Software"), to deal
# in the Software without restriction, including without limitation the rights
# to use, copy, modify, merge, publish, distribute, sublicense, and/or sell
# copies of the Software, and to permit persons to whom the Software is
# furnished to do so, subject to the following conditions:
#
# The above copyright notice and this permission notice shall be included in all
# copies or substantial portions of the Software.
#
# THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR
# IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY,
# FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE
# AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER
# LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM,
# OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE
# SOFTWARE.
#
# Pictures are prepared by a port of Pillow's code, whose notice stands there.
"""A model of sketch2photo as a PyTorch module, in this one file.

    import s2p_model
    model = s2p_model.load("checkpoints/7")           # or a folder of tools/export_huggingface.py
    photos = model.embed([s2p_model.read_picture(path) for path in paths], "photo")
    sketch = model.embed([s2p_model.read_picture("drawing.png")], "sketch")
    similarity = sketch @ photos.T                    # cosines; rows have the norm 1

    tools/s2p_model.py CHECKPOINT                     checks that it computes what the trainer did

Copy this file to where you need it: it depends on NumPy and torch (1.13 or newer), and on Pillow for
read_picture alone. Networks are built from the checkpoint's own description and hold its tensors
under their own names. load() embeds the two pictures of the checkpoint's golden probe and compares
the result with what the trainer computed, so a model that loads computes the same.

Pictures are prepared with Pillow's arithmetic, to the bit as the trainer and the server do it. One
step is missing: the cleaning of drawings on paper (`measuredGround`); see Preprocessor.prepare.
"""

import argparse
import collections
import contextlib
import hashlib
import itertools
import json
import math
import os
import re
import struct
import sys

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

MODALITIES = ("photo", "sketch")
# The newest formatVersion that this file reads.
NEWEST_FORMAT = 3
PROBE = "s2p-probe-1"
MOST_WEIGHTS = 1 << 31
# The most patches of a transformer's input in each direction.
MOST_PATCHES = 128
MOST_JSON_BYTES = 16 << 20


class CheckpointError(ValueError):
    """A checkpoint that cannot be loaded; the message names the file, the field or the tensor."""


# ---------------------------------------------------------------------------------------------------
# manifest.json: docs/checkpoint_format.md and proto/s2p/v1/checkpoint.proto of sketch2photo.
# Fields that a manifest leaves out have these values, as in protobuf.

BACKBONE = {"arch": "", "lastStage": 0, "lastStride": 0, "shared": False, "transformer": None}
TRANSFORMER = {
    "patch": 0, "width": 0, "depth": 0, "heads": 0, "mlpWidth": 0, "positionSide": 0, "registers": 0,
    "classToken": False, "patchBias": False, "preNorm": False, "layerScale": False,
    "activation": "", "attentionPool": False, "projection": 0, "normEpsilon": 0.0,
    "positionResampling": "",
}
EMBEDDING = {"pooling": "", "grid": 0, "fineGrid": 0, "dimension": 0, "projection": False, "neck": "",
             "retrievalFeature": ""}
PREPROCESSING = {
    "height": 0, "width": 0, "grey": False, "edges": False, "thicken": 0, "filter": "",
    "mean": [], "std": [], "resizeFirst": False, "fit": False, "workSize": 0,
    "measuredGround": False, "resizeShorter": 0,
}
EVALUATION = {"dataset": "", "split": "", "direction": "", "queries": 0, "gallery": 0,
              "rank1": 0.0, "rank5": 0.0, "rank10": 0.0, "mAP": 0.0}
PROVENANCE = {"jobId": "", "specSha256": "", "sourceDatasetSha256": "", "targetDatasetSha256": "",
              "build": "", "validationFraction": 0.0, "initialWeightsSha256": ""}
POOLINGS = ("POOLING_GLOBAL", "POOLING_GRID", "POOLING_SUMMARY")
FILTERS = ("RESIZE_FILTER_BILINEAR", "RESIZE_FILTER_LANCZOS", "RESIZE_FILTER_BICUBIC")
NECKS = ("NECK_NONE", "NECK_BATCH_NORM")
FEATURES = ("RETRIEVAL_FEATURE_POOLED", "RETRIEVAL_FEATURE_NECK")
ACTIVATIONS = ("ACTIVATION_GELU", "ACTIVATION_GELU_TANH", "ACTIVATION_QUICK_GELU")
RESAMPLINGS = ("POSITION_RESAMPLING_ANTIALIASED", "POSITION_RESAMPLING_PLAIN",
               "POSITION_RESAMPLING_OFFSET", "POSITION_RESAMPLING_ALIGNED_CORNERS")


def _is_count(value):
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 63


def _is_number(value):
    """Whether it is a number that a float32 can represent. NaN and infinities are not."""
    return (isinstance(value, (int, float)) and not isinstance(value, bool)
            and abs(value) <= float(np.finfo(np.float32).max))


def _check_type(name, value, default):
    """CheckpointError unless the value may stand in place of the default."""
    if isinstance(default, bool):
        right, kind = isinstance(value, bool), "neither true nor false"
    elif isinstance(default, int):
        right, kind = _is_count(value), "not a whole number from 0 on"
    elif isinstance(default, float):
        right, kind = _is_number(value), "not a number"
    else:
        right = default is None or isinstance(value, type(default))
        kind = {dict: "not an object", list: "not a list", str: "not a string"}.get(type(default))
    if not right:
        raise CheckpointError(f"{name}: {_shown(value)} is {kind}")


def _shown(value):
    return {dict: "an object", list: "a list"}.get(type(value)) or repr(value)[:100]


def _message(name, value, fields):
    """A message with every field, from a JSON object that may leave some out."""
    if value is None:
        raise CheckpointError(f"{name}: missing")
    _check_type(name, value, {})
    for field, given in value.items():
        if field not in fields:
            raise CheckpointError(f"{name}.{_shown(field)[1:-1]}: this program does not know the field")
        _check_type(f"{name}.{field}", given, fields[field])
    return {**fields, **value}


def _in_range(name, value, low, high):
    if not low <= value <= high:
        raise CheckpointError(f"{name}: {value} is not in [{low}, {high}]")


def _one_of(name, value, known):
    if value not in known:
        raise CheckpointError(f"{name}: {_shown(value)} is not one of {', '.join(known)}")


def _block_weights(t, depth):
    """The weights of a transformer's blocks, without biases."""
    return depth * t["width"] * (4 * t["width"] + 2 * t["mlpWidth"])


def _checked_transformer(value):
    name = "backbone.transformer"
    t = _message(name, value, TRANSFORMER)
    for field, low, high in (("patch", 1, 64), ("width", 8, 4096), ("depth", 1, 64),
                             ("heads", 1, 64), ("mlpWidth", 1, 16384), ("positionSide", 1, 128),
                             ("registers", 0, 64), ("projection", 0, 8192),
                             ("normEpsilon", 1e-12, 0.01)):
        _in_range(f"{name}.{field}", t[field], low, high)
    if t["width"] % t["heads"] != 0:
        raise CheckpointError(f"{name}.width: {t['width']} is not a multiple of heads, {t['heads']}")
    if _block_weights(t, t["depth"]) > MOST_WEIGHTS:
        raise CheckpointError(f"{name}.depth: {t['depth']} with these widths needs more than the 8 GiB "
                              "that a file of weights may have")
    _one_of(f"{name}.activation", t["activation"], ACTIVATIONS)
    _one_of(f"{name}.positionResampling", t["positionResampling"], RESAMPLINGS)
    return t


def _checked_preprocessing(name, value):
    p = _message(name, value, PREPROCESSING)
    _in_range(f"{name}.height", p["height"], 1, 1024)
    _in_range(f"{name}.width", p["width"], 1, 1024)
    _in_range(f"{name}.thicken", p["thicken"], 0, 8)
    if p["workSize"] != 0:
        _in_range(f"{name}.workSize", p["workSize"], 16, 4096)
    if p["resizeShorter"] != 0:
        _in_range(f"{name}.resizeShorter", p["resizeShorter"], max(p["height"], p["width"]), 4096)
    _one_of(f"{name}.filter", p["filter"], FILTERS)
    for field in ("mean", "std"):
        values = p[field]
        if len(values) != 3 or not all(_is_number(x) for x in values):
            raise CheckpointError(f"{name}.{field}: not three numbers")
    if min(np.float32(p["std"])) <= 0:
        raise CheckpointError(f"{name}.std: not above 0")
    return p


def _checked_embedding(value):
    e = _message("embedding", value, EMBEDDING)
    _one_of("embedding.pooling", e["pooling"], POOLINGS)
    grid = e["pooling"] == "POOLING_GRID"
    _in_range("embedding.grid", e["grid"], 1 if grid else 0, 8 if grid else 0)
    _in_range("embedding.fineGrid", e["fineGrid"], 0, 8 if grid else 0)
    _in_range("embedding.dimension", e["dimension"], 1, 1 << 17)
    _one_of("embedding.neck", e["neck"], NECKS)
    _one_of("embedding.retrievalFeature", e["retrievalFeature"], FEATURES)
    if e["retrievalFeature"] == "RETRIEVAL_FEATURE_NECK" and e["neck"] == "NECK_NONE":
        raise CheckpointError("embedding.retrievalFeature: RETRIEVAL_FEATURE_NECK, but there is no neck")
    return e


def check_manifest(manifest):
    """The manifest with all fields that describe the model, or CheckpointError naming the field."""
    if not isinstance(manifest, dict):
        raise CheckpointError("not a JSON object")
    version = manifest.get("formatVersion")
    if not _is_count(version) or version == 0:
        raise CheckpointError("formatVersion: not a number from 1 on")
    if version > NEWEST_FORMAT:
        raise CheckpointError(
            f"formatVersion: {version} is newer than this program, which reads {NEWEST_FORMAT}")
    checked = dict(manifest)
    backbone = checked["backbone"] = _message("backbone", manifest.get("backbone"), BACKBONE)
    _one_of("backbone.arch", backbone["arch"], architecture_names())
    _in_range("backbone.lastStage", backbone["lastStage"], 3, 4)
    if backbone["arch"] in RESIDUAL and backbone["lastStage"] == 4:
        _in_range("backbone.lastStride", backbone["lastStride"], 1, 2)
    if backbone["arch"] == "vit":
        backbone["transformer"] = _checked_transformer(backbone["transformer"])
    elif backbone["transformer"] is not None:
        raise CheckpointError("backbone.transformer: set, but the arch is not 'vit'")
    checked["embedding"] = _checked_embedding(manifest.get("embedding"))
    for modality in MODALITIES:
        checked[modality] = _checked_preprocessing(modality, manifest.get(modality))
        _check_sides(backbone, modality, checked[modality])
    _check_attributes(checked)
    for field, default in (("files", []), ("goldenProbe", {}), ("evaluations", []), ("provenance", {})):
        checked[field] = manifest.get(field, default)
        _check_type(field, checked[field], default)
    checked["evaluations"] = [_checked_evaluation(f"evaluations[{i}]", evaluation)
                              for i, evaluation in enumerate(checked["evaluations"])]
    _check_provenance(checked["provenance"])
    return checked


def _check_attributes(checked):
    attributes = checked["attributes"] = checked.get("attributes", [])
    hidden = checked["attributeHidden"] = checked.get("attributeHidden", 0)
    _check_type("attributes", attributes, [])
    if len(attributes) > 10000:
        raise CheckpointError("attributes: more than 10000")
    seen = set()
    for i, name in enumerate(attributes):
        _check_type(f"attributes[{i}]", name, "")
        if not 1 <= len(name.encode(errors="replace")) <= 256:
            raise CheckpointError(f"attributes[{i}]: not a name of 1 to 256 bytes")
        if name in seen:
            raise CheckpointError(f"attributes[{i}]: a duplicate name")
        seen.add(name)
    _check_type("attributeHidden", hidden, 0)
    _in_range("attributeHidden", hidden, *((1, 1 << 16) if attributes else (0, 0)))


def _checked_evaluation(name, value):
    """With all fields that a model card shows."""
    _check_type(name, value, {})
    evaluation = {**EVALUATION, **value}
    for field, default in EVALUATION.items():
        _check_type(f"{name}.{field}", evaluation[field], default)
        if isinstance(default, float):
            _in_range(f"{name}.{field}", evaluation[field], 0, 1)
    return evaluation


def _check_provenance(provenance):
    for field, default in PROVENANCE.items():
        if field in provenance:
            _check_type(f"provenance.{field}", provenance[field], default)
    # JSON of protobuf has numbers of 64 bits as strings.
    for field in ("parentVersion", "seed"):
        _check_digits(f"provenance.{field}", provenance.get(field, "0"))
    _in_range("provenance.validationFraction", provenance.get("validationFraction", 0), 0, 1)
    comparison = provenance.get("comparison")
    if comparison is not None:
        name = "provenance.comparison"
        _check_type(name, comparison, {})
        _check_type(name + ".metric", comparison.get("metric", ""), "")
        _check_digits(name + ".publishedVersion", comparison.get("publishedVersion", "0"))
        for field in ("candidate", "published"):
            _check_type(f"{name}.{field}", comparison.get(field, 0), 0.0)
            _in_range(f"{name}.{field}", comparison.get(field, 0), 0, 1)


def _check_digits(name, value):
    if not re.fullmatch("[0-9]{1,20}", str(value), re.ASCII):
        raise CheckpointError(f"{name}: {_shown(value)} is not a whole number from 0 on")


def _check_sides(backbone, modality, preprocessing):
    for side in ("height", "width"):
        name, pixels = f"{modality}.{side}", preprocessing[side]
        needs = f"as {backbone['arch']} needs"
        if backbone["arch"] in CONVNEXT:
            least = 4 << (backbone["lastStage"] - 1)
            if pixels < least:
                raise CheckpointError(f"{name}: {pixels} is not at least {least}, {needs}")
        if is_transformer(backbone["arch"]):
            patch = transformer_of(backbone)["patch"]
            if pixels % patch != 0:
                raise CheckpointError(f"{name}: {pixels} is not a multiple of {patch}, {needs}")
            if pixels > patch * MOST_PATCHES:
                raise CheckpointError(f"{name}: {pixels} is not at most {patch * MOST_PATCHES}, {needs}")


# ---------------------------------------------------------------------------------------------------
# Files

@contextlib.contextmanager
def _naming(place):
    """Errors within name the place."""
    try:
        yield
    except CheckpointError as error:
        raise CheckpointError(f"{place}: {error}") from error
    except OSError as error:
        raise CheckpointError(f"{place}: {error.strerror}") from error


def _read_json(path):
    with _naming(path):
        with open(path, "rb") as file:
            text = file.read(MOST_JSON_BYTES + 1)
        if len(text) > MOST_JSON_BYTES:
            raise CheckpointError(f"more than {MOST_JSON_BYTES >> 20} MiB")
        return _parsed_json(text)


def _parsed_json(text):
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"not JSON: {error}"[:200]) from error


def read_manifest(folder):
    """The manifest of a checkpoint's folder, or of one that tools/export_huggingface.py wrote."""
    path = os.path.join(folder, "manifest.json")
    config = os.path.join(folder, "config.json")
    if os.path.exists(path) or not os.path.exists(config):
        manifest = _read_json(path)
    else:
        path = config
        manifest = _read_json(path)
        manifest = manifest.get("manifest") if isinstance(manifest, dict) else None
        if isinstance(manifest, dict):
            manifest.update(_read_prepared(os.path.join(folder, "preprocessor_config.json")))
    with _naming(path):
        return check_manifest(manifest)


def _read_prepared(path):
    prepared = _read_json(path)
    with _naming(path):
        _check_type("file", prepared, {})
        return {modality: _checked_preprocessing(modality, prepared.get(modality))
                for modality in MODALITIES}


DTYPES = {"F32": torch.float32, "I64": torch.int64}


def parse_safetensors(data):
    """The tensors of a safetensors file with the types that checkpoints have. They share `data`."""
    if sys.byteorder != "little":
        raise CheckpointError("only little-endian machines are supported")
    if len(data) < 8:
        raise CheckpointError("shorter than the length of a header")
    size, = struct.unpack_from("<Q", data)
    if size > min(len(data) - 8, MOST_JSON_BYTES):
        raise CheckpointError(f"header: {size} bytes do not fit")
    with _naming("header"):
        header = _parsed_json(bytes(data[8:8 + size]))
        _check_type("JSON", header, {})
        header.pop("__metadata__", None)
        entries = sorted(_tensor_entry(name, entry) for name, entry in header.items())
    tensors, body, at = {}, memoryview(data)[8 + size:], 0
    for begin, end, name, dtype, shape in entries:
        count = math.prod(shape)
        if begin != at or end - begin != count * (4 if dtype == "F32" else 8):
            raise CheckpointError(f"tensor '{name}': wrong offsets")
        at = end
        if end > len(body):
            raise CheckpointError(f"tensor '{name}': beyond the end of the file")
        part = torch.frombuffer(body, dtype=DTYPES[dtype], count=count, offset=begin)
        tensors[name] = part.reshape(shape)
    if at != len(body):
        raise CheckpointError("bytes after the last tensor")
    return tensors


def _tensor_entry(name, entry):
    """Begin, end, name, type and shape of a tensor."""
    with _naming(f"tensor {_shown(name)}"):
        if len(name) > 1024:
            raise CheckpointError("a name of more than 1024 characters")
        _check_type("entry", entry, {})
        dtype, shape, offsets = (entry.get(field) for field in ("dtype", "shape", "data_offsets"))
        if not isinstance(dtype, str) or dtype not in DTYPES:
            raise CheckpointError(f"type {_shown(dtype)} is neither F32 nor I64")
        if not isinstance(shape, list) or len(shape) > 16 or not all(
                _is_count(side) and side > 0 for side in shape):
            raise CheckpointError("shape: not a list of at most 16 lengths above 0")
        if not isinstance(offsets, list) or len(offsets) != 2 or not all(map(_is_count, offsets)):
            raise CheckpointError("data_offsets: not two whole numbers")
        return offsets[0], offsets[1], name, dtype, shape


def read_weights(folder, manifest):
    """The tensors of a folder, whose bytes are those that the manifest names."""
    names = ("weights.safetensors", "model.safetensors")
    path = os.path.join(folder, names[0])
    if not os.path.exists(path) and os.path.exists(os.path.join(folder, names[1])):
        path = os.path.join(folder, names[1])
    listed = [file for file in manifest.get("files", [])
              if isinstance(file, dict) and file.get("name") == names[0]]
    if len(listed) != 1:
        raise CheckpointError(f"{folder}: files: {names[0]} is missing in the manifest")
    with _naming(path):
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            if str(size) != str(listed[0].get("bytes")):
                raise CheckpointError(
                    f"size: {size} bytes, but the manifest says {str(listed[0].get('bytes'))[:40]}")
            data = bytearray(size)
            if file.readinto(data) != size:
                raise CheckpointError("size: it changed while it was read")
        digest = hashlib.sha256(data).hexdigest()
        if digest != listed[0].get("sha256"):
            raise CheckpointError(
                f"sha256: {digest}, but the manifest says {str(listed[0].get('sha256'))[:100]}")
        tensors = parse_safetensors(data)
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            raise CheckpointError(f"{path}: tensor '{name}': holds a value that is not finite")
    return tensors


# ---------------------------------------------------------------------------------------------------
# Networks below the pooling. Each gives FeatureMaps.

# before_last, last: [n, c, h, w] of the last two stages. summary: [n, d], the network's own vector,
# or None.
FeatureMaps = collections.namedtuple("FeatureMaps", "before_last last summary")

# Kind of block, blocks of each stage.
RESIDUAL = {
    "resnet18": ("basic", (2, 2, 2, 2)),
    "resnet34": ("basic", (3, 4, 6, 3)),
    "resnet50": ("bottleneck", (3, 4, 6, 3)),
    "resnet50_caffe": ("caffe", (3, 4, 6, 3)),
    "se_resnext50_32x4d": ("excitation", (3, 4, 6, 3)),
}
# Blocks and channels of each stage.
CONVNEXT = {
    "convnext_tiny": ((3, 3, 9, 3), (96, 192, 384, 768)),
    "convnext_small": ((3, 3, 27, 3), (96, 192, 384, 768)),
    "convnext_base": ((3, 3, 27, 3), (128, 256, 512, 1024)),
}
# Patch, width, depth, side of the table of positions, projection.
TRANSFORMERS = {
    "clip_vit_b_32": (32, 768, 12, 7, 512),
    "clip_vit_b_16": (16, 768, 12, 14, 512),
    "clip_vit_l_14": (14, 1024, 24, 16, 768),
    "dinov2_vits14": (14, 384, 12, 37, 0),
    "dinov2_vitb14": (14, 768, 12, 37, 0),
    "dinov2_vitl14": (14, 1024, 24, 37, 0),
    "dinov2_vits14_reg": (14, 384, 12, 37, 0),
    "dinov2_vitb14_reg": (14, 768, 12, 37, 0),
    "dinov2_vitl14_reg": (14, 1024, 24, 37, 0),
    "siglip_vit_b_16": (16, 768, 12, 14, 0),
    "vit_b_16": (16, 768, 12, 14, 0),
}


def architecture_names():
    return [*RESIDUAL, *CONVNEXT, *TRANSFORMERS, "vit"]


def is_transformer(arch):
    return arch == "vit" or arch in TRANSFORMERS


def transformer_of(backbone):
    """The description of a transformer: the manifest's own, or that of a published network."""
    arch = backbone["arch"]
    if arch == "vit":
        return backbone["transformer"]
    patch, width, depth, side, projection = TRANSFORMERS[arch]
    clip, dino, siglip = arch.startswith("clip"), arch.startswith("dinov2"), arch.startswith("siglip")
    registers = arch.endswith("_reg")
    if dino and not registers:
        resampling = "OFFSET"
    else:
        resampling = "ALIGNED_CORNERS" if arch == "vit_b_16" else "ANTIALIASED"
    return {
        "patch": patch, "width": width, "depth": depth, "heads": width // 64, "mlpWidth": 4 * width,
        "positionSide": side, "registers": 4 if registers else 0, "classToken": not siglip,
        "patchBias": not clip, "preNorm": clip, "layerScale": dino,
        "activation": "ACTIVATION_" + ("QUICK_GELU" if clip else "GELU_TANH" if siglip else "GELU"),
        "attentionPool": siglip, "projection": projection, "normEpsilon": 1e-5 if clip else 1e-6,
        "positionResampling": "POSITION_RESAMPLING_" + resampling,
    }


def create_backbone(backbone):
    arch, last_stage = backbone["arch"], backbone["lastStage"]
    if arch in RESIDUAL:
        return ResidualNetwork(*RESIDUAL[arch], last_stage, backbone["lastStride"])
    if arch in CONVNEXT:
        return ConvNext(*CONVNEXT[arch], last_stage)
    return VisionTransformer(transformer_of(backbone), last_stage)


def _conv(inputs, outputs, kernel, stride=1, groups=1):
    return nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)


class SqueezeExcitation(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.fc1 = nn.Conv2d(channels, channels // 16, 1)
        self.fc2 = nn.Conv2d(channels // 16, channels, 1)

    def forward(self, x):
        return x * torch.sigmoid(self.fc2(F.relu(self.fc1(x.mean((2, 3), keepdim=True)))))


class ResidualBlock(nn.Module):
    def __init__(self, kind, inputs, planes, stride):
        super().__init__()
        outputs = planes if kind == "basic" else 4 * planes
        if kind == "basic":
            self._layers(_conv(inputs, planes, 3, stride), _conv(planes, planes, 3))
        else:
            width = 2 * planes if kind == "excitation" else planes
            first, second = (stride, 1) if kind == "caffe" else (1, stride)
            self._layers(_conv(inputs, width, 1, first),
                         _conv(width, width, 3, second, 32 if kind == "excitation" else 1),
                         _conv(width, outputs, 1))
        self.se_module = SqueezeExcitation(outputs) if kind == "excitation" else None
        self.downsample = None
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(_conv(inputs, outputs, 1, stride),
                                            nn.BatchNorm2d(outputs))

    def _layers(self, *convs):
        self.depth = len(convs)
        for number, conv in enumerate(convs, 1):
            setattr(self, f"conv{number}", conv)
            setattr(self, f"bn{number}", nn.BatchNorm2d(conv.out_channels))

    def forward(self, x):
        y = x
        for number in range(1, self.depth + 1):
            y = getattr(self, f"bn{number}")(getattr(self, f"conv{number}")(y))
            if number < self.depth:
                y = F.relu(y)
        if self.se_module is not None:
            y = self.se_module(y)
        return F.relu(y + (x if self.downsample is None else self.downsample(x)))


class ResidualNetwork(nn.Module):
    """ResNet-18/34/50 (He et al., CVPR 2016), Caffe's ResNet-50 and SE-ResNeXt-50 32x4d."""

    def __init__(self, kind, blocks, last_stage, last_stride):
        super().__init__()
        stem = nn.Module() if kind == "excitation" else self
        stem.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        stem.bn1 = nn.BatchNorm2d(64)
        if stem is not self:
            self.layer0 = stem
        self.ceil_pool = kind in ("caffe", "excitation")
        self.stages = last_stage
        inputs = 64
        for stage in range(1, last_stage + 1):
            planes = 64 << (stage - 1)
            stride = 1 if stage == 1 else last_stride if stage == 4 else 2
            layers = []
            for number in range(blocks[stage - 1]):
                layers.append(ResidualBlock(kind, inputs, planes, stride if number == 0 else 1))
                inputs = planes if kind == "basic" else 4 * planes
            setattr(self, f"layer{stage}", nn.Sequential(*layers))

    def forward(self, images):
        stem = getattr(self, "layer0", self)
        x = F.relu(stem.bn1(stem.conv1(images)))
        if self.ceil_pool:
            x = F.max_pool2d(x, 3, 2, 0, ceil_mode=True)
        else:
            x = F.max_pool2d(x, 3, 2, 1)
        before_last = x
        for stage in range(1, self.stages + 1):
            before_last = x
            x = getattr(self, f"layer{stage}")(x)
        return FeatureMaps(before_last, x, None)


class ConvNextBlock(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.gamma = nn.Parameter(torch.full((channels,), 1e-6))
        self.dwconv = nn.Conv2d(channels, channels, 7, padding=3, groups=channels)
        self.norm = nn.LayerNorm(channels, eps=1e-6)
        self.pwconv1 = nn.Linear(channels, 4 * channels)
        self.pwconv2 = nn.Linear(4 * channels, channels)

    def forward(self, x):
        y = self.norm(self.dwconv(x).permute(0, 2, 3, 1))
        return x + (self.gamma * self.pwconv2(F.gelu(self.pwconv1(y)))).permute(0, 3, 1, 2)


class MapNorm(nn.LayerNorm):
    """Normalises the channels of a map."""

    def __init__(self, channels):
        super().__init__(channels, eps=1e-6)

    def forward(self, x):
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class ConvNext(nn.Module):
    """ConvNeXt (Liu et al., CVPR 2022)."""

    def __init__(self, blocks, channels, last_stage):
        super().__init__()
        self.downsample_layers = nn.ModuleList(
            [nn.Sequential(nn.Conv2d(3, channels[0], 4, 4), MapNorm(channels[0]))])
        for stage in range(1, last_stage):
            self.downsample_layers.append(nn.Sequential(
                MapNorm(channels[stage - 1]), nn.Conv2d(channels[stage - 1], channels[stage], 2, 2)))
        self.stages = nn.ModuleList(
            nn.Sequential(*(ConvNextBlock(channels[stage]) for _ in range(blocks[stage])))
            for stage in range(last_stage))
        self.norm = nn.LayerNorm(channels[3], eps=1e-6) if last_stage == 4 else None

    def forward(self, images):
        x = before_last = images
        for downsample, stage in zip(self.downsample_layers, self.stages):
            before_last = x
            x = stage(downsample(x))
        summary = None if self.norm is None else self.norm(x.mean((2, 3)))
        return FeatureMaps(before_last, x, summary)


def _heads(x, parts, heads):
    """[n, tokens, parts * width] -> for each part [n, heads, tokens, width / heads]."""
    tokens, width = int(x.shape[1]), int(x.shape[2]) // parts
    return [x[..., part * width:(part + 1) * width].reshape(-1, tokens, heads, width // heads)
            .transpose(1, 2) for part in range(parts)]


def _attention(q, k, v):
    """[n, heads, tokens, c] each -> [n, tokens, heads * c]."""
    scores = torch.matmul(q * int(q.shape[3]) ** -0.5, k.transpose(2, 3))
    y = torch.matmul(scores.softmax(-1), v).transpose(1, 2)
    return y.reshape(-1, int(y.shape[1]), int(y.shape[2]) * int(y.shape[3]))


class DenseLayers(nn.Module):
    def __init__(self, t):
        super().__init__()
        self.activation = t["activation"]
        self.fc1 = nn.Linear(t["width"], t["mlpWidth"])
        self.fc2 = nn.Linear(t["mlpWidth"], t["width"])

    def forward(self, x):
        x = self.fc1(x)
        if self.activation == "ACTIVATION_QUICK_GELU":
            x = x * torch.sigmoid(1.702 * x)
        else:
            x = F.gelu(x, approximate="tanh" if self.activation.endswith("TANH") else "none")
        return self.fc2(x)


class SelfAttention(nn.Module):
    def __init__(self, t):
        super().__init__()
        self.heads = t["heads"]
        self.qkv = nn.Linear(t["width"], 3 * t["width"])
        self.proj = nn.Linear(t["width"], t["width"])

    def forward(self, x):
        return self.proj(_attention(*_heads(self.qkv(x), 3, self.heads)))


class LayerScale(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.gamma = nn.Parameter(torch.full((channels,), 0.1))

    def forward(self, x):
        return x * self.gamma


class TransformerBlock(nn.Module):
    def __init__(self, t):
        super().__init__()
        self.norm1 = nn.LayerNorm(t["width"], eps=t["normEpsilon"])
        self.attn = SelfAttention(t)
        self.norm2 = nn.LayerNorm(t["width"], eps=t["normEpsilon"])
        self.mlp = DenseLayers(t)
        self.ls1, self.ls2 = (LayerScale(t["width"]) if t["layerScale"] else nn.Identity()
                              for _ in range(2))

    def forward(self, x):
        x = x + self.ls1(self.attn(self.norm1(x)))
        return x + self.ls2(self.mlp(self.norm2(x)))


class AttentionPool(nn.Module):
    """Attention of one learned query over all tokens (Zhai et al., CVPR 2022)."""

    def __init__(self, t):
        super().__init__()
        width = t["width"]
        self.heads = t["heads"]
        self.latent = nn.Parameter(torch.zeros(1, 1, width))
        self.q = nn.Linear(width, width)
        self.kv = nn.Linear(width, 2 * width)
        self.proj = nn.Linear(width, width)
        self.norm = nn.LayerNorm(width, eps=t["normEpsilon"])
        self.mlp = DenseLayers(t)

    def forward(self, x):
        q = _heads(self.q(self.latent), 1, self.heads)
        y = self.proj(_attention(*q, *_heads(self.kv(x), 2, self.heads)))
        return (y + self.mlp(self.norm(y)))[:, 0]


class VisionTransformer(nn.Module):
    """A vision transformer (Dosovitskiy et al., ICLR 2021) by its description."""

    def __init__(self, t, last_stage):
        super().__init__()
        self.description = t
        width, side = t["width"], t["positionSide"]
        self.first = 1 if t["classToken"] else 0
        self.prefix = self.first + t["registers"]
        self.patch_embed = nn.Module()
        self.patch_embed.proj = nn.Conv2d(3, width, t["patch"], t["patch"], bias=t["patchBias"])
        self.cls_token = nn.Parameter(torch.zeros(1, 1, width)) if self.first else None
        self.pos_embed = nn.Parameter(torch.zeros(1, self.first + side * side, width))
        self.register_tokens = None
        if t["registers"]:
            self.register_tokens = nn.Parameter(torch.zeros(1, t["registers"], width))
        self.norm_pre = nn.LayerNorm(width, eps=t["normEpsilon"]) if t["preNorm"] else nn.Identity()
        # Stage s ends after depth * s / 4 blocks.
        self.last_stage_begins = t["depth"] * (last_stage - 1) // 4
        self.blocks = nn.ModuleList(TransformerBlock(t) for _ in range(t["depth"] * last_stage // 4))
        self.norm = self.attn_pool = self.head = None
        if last_stage == 4:
            self.norm = nn.LayerNorm(width, eps=t["normEpsilon"])
            self.attn_pool = AttentionPool(t) if t["attentionPool"] else None
            self.head = nn.Linear(width, t["projection"], bias=False) if t["projection"] else None

    def initial_tokens(self, rows, columns):
        """[1, prefix + rows * columns, width]: positions, and the tokens that are not patches."""
        side = self.description["positionSide"]
        table = self.pos_embed
        positions = table[:, self.first:]
        if (rows, columns) != (side, side):
            grid = positions.reshape(1, side, side, -1).permute(0, 3, 1, 2)
            grid = self._resampled(grid, rows, columns)
            positions = grid.permute(0, 2, 3, 1).reshape(1, rows * columns, -1)
        parts = [positions]
        if self.register_tokens is not None:
            parts.insert(0, self.register_tokens)
        if self.cls_token is not None:
            parts.insert(0, self.cls_token + table[:, :1])
        return torch.cat(parts, 1)

    def _resampled(self, grid, rows, columns):
        rule = self.description["positionResampling"]
        if rule == "POSITION_RESAMPLING_ANTIALIASED":
            return F.interpolate(grid, (rows, columns), mode="bicubic", antialias=True)
        if rule == "POSITION_RESAMPLING_ALIGNED_CORNERS":
            return F.interpolate(grid, (rows, columns), mode="bicubic", align_corners=True)
        if rule == "POSITION_RESAMPLING_PLAIN":
            return F.interpolate(grid, (rows, columns), mode="bicubic")
        side = grid.shape[2]
        return F.interpolate(grid, scale_factor=((rows + 0.1) / side, (columns + 0.1) / side),
                             mode="bicubic")

    def forward(self, images, tokens=None):
        """`tokens` are initial_tokens() of the images' grid, if they have been computed before."""
        x = self.patch_embed.proj(images)
        grid = int(x.shape[2]), int(x.shape[3])
        if tokens is None:
            tokens = self.initial_tokens(*grid)
        x = x.flatten(2).transpose(1, 2)
        # Zeros to which the tokens that are not patches are added. Neither a pad nor an expansion to
        # the size of the batch, which some runtimes cannot read.
        x = torch.cat([x[:, :1] * 0] * self.prefix + [x], 1) + tokens
        x = self.norm_pre(x)
        before_last = x
        for number, block in enumerate(self.blocks):
            if number == self.last_stage_begins:
                before_last = x
            x = block(x)
        if self.last_stage_begins == len(self.blocks):
            before_last = x
        summary = None
        if self.norm is not None:
            x = self.norm(x)
            summary = self._summary(x)
        return FeatureMaps(self._maps(before_last, grid), self._maps(x, grid), summary)

    def _maps(self, x, grid):
        return x[:, self.prefix:].transpose(1, 2).reshape(-1, int(x.shape[2]), *grid)

    def _summary(self, x):
        if self.attn_pool is not None:
            pooled = self.attn_pool(x)
        else:
            pooled = x[:, 0] if self.first else x[:, self.prefix:].mean(1)
        return pooled if self.head is None else self.head(pooled)


# ---------------------------------------------------------------------------------------------------
# The model

def _cells(length, count):
    """[length, count]: the shares of each place in the means of the cells."""
    shares = np.zeros((length, count))
    for cell in range(count):
        begin, end = cell * length // count, -(-(cell + 1) * length // count)
        shares[begin:end, cell] = 1 / (end - begin)
    return shares


def cell_means(maps, count):
    """[n, c, h, w] -> [n, c * count * count]: adaptive average pooling, channel by channel."""
    channels, rows, columns = (int(side) for side in maps.shape[1:])
    shares = torch.from_numpy(np.kron(_cells(rows, count), _cells(columns, count))).to(maps)
    # A product of two matrices, which every ONNX runtime has, unlike adaptive pooling.
    means = torch.matmul(maps.reshape(-1, rows * columns), shares)
    return means.reshape(-1, channels * count * count)


class Projection(nn.Module):
    def __init__(self, pooled, dimension):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(dimension, pooled))
        self.photo_bias = nn.Parameter(torch.zeros(dimension))
        self.sketch_bias = nn.Parameter(torch.zeros(dimension))

    def forward(self, x, modality):
        return F.linear(x, self.weight, self.photo_bias if modality == "photo" else self.sketch_bias)


def _attribute_head(dense, dimension, hidden, attributes):
    if dense:
        return nn.Sequential(nn.Linear(dimension, hidden), nn.ReLU(), nn.Linear(hidden, hidden),
                             nn.ReLU(), nn.Linear(hidden, attributes))
    layers = []
    for inputs in (dimension, hidden):
        layers += [nn.Linear(inputs, hidden), nn.BatchNorm1d(hidden), nn.LeakyReLU(0.1),
                   nn.Dropout(0.5)]
    return nn.Sequential(*layers, nn.Linear(hidden, attributes))


def _pooled_dimension(backbone, embedding):
    arch, stage = backbone["arch"], backbone["lastStage"]
    if arch in RESIDUAL:
        base = 64 if RESIDUAL[arch][0] == "basic" else 256
        channels, summary = [base << s for s in range(4)], 0
    elif arch in CONVNEXT:
        channels = CONVNEXT[arch][1]
        summary = channels[3]
    else:
        t = transformer_of(backbone)
        channels, summary = [t["width"]] * 4, t["projection"] or t["width"]
    if embedding["pooling"] == "POOLING_SUMMARY":
        if summary == 0 or stage != 4:
            raise CheckpointError("embedding.pooling: POOLING_SUMMARY, but the network has no summary")
        return summary
    cells = embedding["grid"] ** 2 if embedding["pooling"] == "POOLING_GRID" else 1
    return channels[stage - 1] * cells + channels[stage - 2] * embedding["fineGrid"] ** 2


class DualEncoder(nn.Module):
    """The encoders of photos and sketches, and what follows them (Yang et al., IEEE TMM 2020).

    `attributes` are the names of the attributes that the model predicts; there may be none.
    """

    def __init__(self, manifest, dense_head=False):
        super().__init__()
        self.manifest = manifest
        self.attributes = list(manifest["attributes"])
        backbone, embedding = manifest["backbone"], manifest["embedding"]
        self.pooling, self.grid = embedding["pooling"], embedding["grid"]
        self.fine_grid = embedding["fineGrid"]
        self.dimension = embedding["dimension"]
        self.preprocessors = {name: Preprocessor(manifest[name], name) for name in MODALITIES}
        pooled = _pooled_dimension(backbone, embedding)
        if not embedding["projection"] and self.dimension != pooled:
            raise CheckpointError(f"embedding.dimension: {self.dimension}, but the pooled vector has "
                                  f"{pooled} values and there is no projection")
        if backbone["shared"]:
            self.encoder = create_backbone(backbone)
        else:
            self.photo_encoder = create_backbone(backbone)
            self.sketch_encoder = create_backbone(backbone)
        self.projection = Projection(pooled, self.dimension) if embedding["projection"] else None
        has_neck = embedding["neck"] == "NECK_BATCH_NORM"
        self.neck = nn.BatchNorm1d(self.dimension) if has_neck else None
        self.after_neck = embedding["retrievalFeature"] == "RETRIEVAL_FEATURE_NECK"
        self.attribute_head = None
        if self.attributes:
            self.attribute_head = _attribute_head(dense_head, self.dimension,
                                                  manifest["attributeHidden"], len(self.attributes))

    def backbone_of(self, modality):
        return self.encoder if hasattr(self, "encoder") else getattr(self, modality + "_encoder")

    def unnormalised(self, images, modality, tokens=None):
        """[n, 3, H, W] -> [n, d]: the embedding before neck and normalisation. `tokens`: see
        VisionTransformer.forward."""
        spec = self.preprocessors[modality].spec
        size = (3, spec["height"], spec["width"])
        if images.dim() != 4 or tuple(int(side) for side in images.shape[1:]) != size:
            raise ValueError(f"images: {list(images.shape)}, but {modality}s have "
                             f"[n, {size[0]}, {size[1]}, {size[2]}]")
        backbone = self.backbone_of(modality)
        maps = backbone(images) if tokens is None else backbone(images, tokens)
        if self.pooling == "POOLING_SUMMARY":
            pooled = maps.summary
        elif self.pooling == "POOLING_GLOBAL":
            pooled = maps.last.mean((2, 3))
        else:
            pooled = cell_means(maps.last, self.grid)
            if self.fine_grid:
                pooled = torch.cat([pooled, cell_means(maps.before_last, self.fine_grid)], 1)
        return pooled if self.projection is None else self.projection(pooled, modality)

    def retrieval_feature(self, embedding):
        """[n, d] -> [n, d]: after the neck where the manifest says so, with the norm 1."""
        feature = self.neck(embedding) if self.after_neck else embedding
        return F.normalize(feature)

    def attribute_probabilities(self, embedding):
        """[n, d], from unnormalised() -> [n, attributes] in [0, 1]. ValueError if there are none."""
        if self.attribute_head is None:
            raise ValueError("attributes: this model predicts none")
        return torch.sigmoid(self.attribute_head(embedding))

    def forward(self, images, modality):
        """[n, 3, H, W] prepared images of one modality -> [n, d] unit vectors."""
        return self.retrieval_feature(self.unnormalised(images, modality))

    def prepare(self, pictures, modality, white_ground=False):
        """uint8 arrays [height, width, 3], RGB, of any size -> [n, 3, H, W] for forward()."""
        preprocessor = self.preprocessors[modality]
        rows = [preprocessor(picture, white_ground) for picture in pictures]
        if not rows:
            raise ValueError("pictures: none")
        device = next(self.parameters()).device
        return torch.from_numpy(np.stack(rows)).to(device)

    def embed(self, pictures, modality, white_ground=False):
        """Prepares pictures, of which there may be any number from 1 on, and embeds them, without
        gradients. At most 32 are prepared at a time, so that an iterator can read files as it goes."""
        pictures, embeddings = iter(pictures), []
        with torch.no_grad():
            while True:
                batch = list(itertools.islice(pictures, 32))
                if not batch and embeddings:
                    return torch.cat(embeddings)
                embeddings.append(self(self.prepare(batch, modality, white_ground), modality))

    def load_weights(self, tensors):
        """CheckpointError naming the first tensor that is missing, surplus, or has another shape."""
        own = self.state_dict()
        for name, tensor in own.items():
            if name not in tensors:
                raise CheckpointError(f"tensor '{name}': missing")
            given = tensors[name]
            if given.shape != tensor.shape or given.dtype != tensor.dtype:
                raise CheckpointError(f"tensor '{name}': {given.dtype} {list(given.shape)}, but the "
                                      f"network has {tensor.dtype} {list(tensor.shape)}")
        for name in tensors:
            if name not in own:
                raise CheckpointError(f"tensor '{name}': the network has no tensor of this name")
        self.load_state_dict(tensors)

    def check_probe(self):
        """Embeds the probe's pictures. Returns both cosine similarities with the trainer's
        embeddings, or raises CheckpointError if one is below the manifest's limit."""
        probe = self.manifest.get("goldenProbe", {})
        if probe.get("image") != PROBE:
            raise CheckpointError(f"goldenProbe.image: {probe.get('image')!r}, not {PROBE}")
        limit = probe.get("minCosineFp32", 0)
        if not _is_number(limit) or not 0.9 <= limit <= 1:
            raise CheckpointError(f"goldenProbe.minCosineFp32: {_shown(limit)} is not in [0.9, 1]")
        spec = self.manifest["photo"]
        if spec["fit"] and spec["measuredGround"]:
            raise CheckpointError(
                "photo.measuredGround: this file cannot clean photos, so it cannot check the model; use "
                "s2p-server, or load(folder, check=False)")
        return {modality: self._check_probe(modality, probe.get(modality, []), limit)
                for modality in MODALITIES}

    def _check_probe(self, modality, expected, limit):
        try:
            got = self.embed([probe_picture(modality)], modality, white_ground=True)[0].cpu().numpy()
        except RuntimeError as error:
            raise CheckpointError(f"goldenProbe.{modality}: the network does not take pictures of this "
                                  f"size: {str(error).splitlines()[0]}") from error
        return check_probe_vector(modality, expected, limit, got)


def check_probe_vector(modality, expected, limit, got):
    """The cosine similarity of an embedding of a probe's picture with the trainer's."""
    name = f"goldenProbe.{modality}"
    _check_type(name, expected, [])
    if len(expected) != len(got):
        raise CheckpointError(f"{name}: {len(expected)} values, not {len(got)}")
    if not all(_is_number(value) for value in expected):
        raise CheckpointError(f"{name}: not a list of numbers")
    expected, got = np.asarray(expected, dtype=float), np.asarray(got, dtype=float)
    # NaN, which is below every limit, if all are 0.
    with np.errstate(invalid="ignore"):
        cosine = float(expected @ got / np.linalg.norm(expected) / np.linalg.norm(got))
    if not cosine >= limit:
        raise CheckpointError(f"{name}: this program's embedding of the probe image has cosine "
                              f"similarity {cosine:.6f} with the writer's, below {limit}")
    return cosine


class SingleModality(nn.Module):
    """[n, 3, H, W] -> [n, d], and [n, attributes] if the model has some: for programs that export
    networks, such as torch.onnx. It refers to the model, which load() has put in evaluation mode, and
    does not change it. The initial tokens of a transformer are computed here, once."""

    def __init__(self, model, modality):
        super().__init__()
        self.model, self.modality = model, modality
        self.training = model.training
        spec = model.preprocessors[modality].spec
        backbone, tokens = model.backbone_of(modality), None
        if isinstance(backbone, VisionTransformer):
            patch = backbone.description["patch"]
            with torch.no_grad():
                tokens = backbone.initial_tokens(spec["height"] // patch, spec["width"] // patch)
        self.register_buffer("tokens", tokens, persistent=False)

    def forward(self, images):
        embedding = self.model.unnormalised(images, self.modality, self.tokens)
        feature = self.model.retrieval_feature(embedding)
        if not self.model.attributes:
            return feature
        return feature, self.model.attribute_probabilities(embedding)


def _check_size(manifest, tensors):
    """CheckpointError if the networks of the manifest have more weights than there are, before they
    take memory."""
    backbone, embedding = manifest["backbone"], manifest["embedding"]
    least, dimension = 0, embedding["dimension"]
    if backbone["arch"] == "vit":
        t, networks = backbone["transformer"], 1 if backbone["shared"] else 2
        least += networks * (_block_weights(t, t["depth"] * backbone["lastStage"] // 4)
                             + t["width"] * (t["positionSide"] ** 2 + 3 * t["patch"] ** 2))
    if embedding["projection"]:
        least += dimension * _pooled_dimension(backbone, embedding)
    if manifest["attributes"]:
        hidden = manifest["attributeHidden"]
        least += hidden * (dimension + hidden + len(manifest["attributes"]))
    held = sum(tensor.numel() for tensor in tensors.values())
    if least > held:
        raise CheckpointError(f"the manifest describes networks of at least {least} weights, but the "
                              f"file holds {held}")


def load(folder, check=True):
    """The model of a checkpoint's folder, or of one that tools/export_huggingface.py wrote, in
    evaluation mode. CheckpointError for a folder that is damaged, or whose model does not compute
    what its trainer computed (which `check=False` leaves out)."""
    manifest = read_manifest(folder)
    tensors = read_weights(folder, manifest)
    with _naming(folder):
        _check_size(manifest, tensors)
        model = DualEncoder(manifest, dense_head="attribute_head.2.weight" in tensors)
        model.load_weights(tensors)
        model.eval()
        if check:
            model.check_probe()
    return model


# ---------------------------------------------------------------------------------------------------
# Preparing pictures: uint8 arrays [height, width, 3]. Grey, edges, minima and resizing equal Pillow's,
# bit for bit. They are a port of it; this is its notice.
#
# The Python Imaging Library is
#
# Copyright (c) 1997-2011 by Secret Labs AB
# Copyright (c) 1995-2011 by Fredrik Lundh
# Copyright (c) 2010-2020 by Alex Clark and contributors
#
# By obtaining, using, and/or copying this software and/or its
# associated documentation, you agree that you have read, understood,
# and will comply with the following terms and conditions:
#
# Permission to use, copy, modify, and distribute this software and its
# associated documentation for any purpose and without fee is hereby
# granted, provided that the above copyright notice appears in all
# copies, and that both that copyright notice and this permission notice
# appear in supporting documentation, and that the name of Secret Labs
# AB or the author not be used in advertising or publicity pertaining to
# distribution of the software without specific, written prior
# permission.
#
# SECRET LABS AB AND THE AUTHOR DISCLAIMS ALL WARRANTIES WITH REGARD TO
# THIS SOFTWARE, INCLUDING ALL IMPLIED WARRANTIES OF MERCHANTABILITY AND
# FITNESS.  IN NO EVENT SHALL SECRET LABS AB OR THE AUTHOR BE LIABLE FOR
# ANY SPECIAL, INDIRECT OR CONSEQUENTIAL DAMAGES OR ANY DAMAGES
# WHATSOEVER RESULTING FROM LOSS OF USE, DATA OR PROFITS, WHETHER IN AN
# ACTION OF CONTRACT, NEGLIGENCE OR OTHER TORTIOUS ACTION, ARISING OUT
# OF OR IN CONNECTION WITH THE USE OR PERFORMANCE OF THIS SOFTWARE.

WHITE_GROUND = 235  # Lighter pixels are background.
# The longest side around which a square of 40 megapixels fits, and that of a part which is more than
# eight times as long as wide.
LONGEST_PART = 5622
LONGEST_THIN_PART = 2048
THIN = 8
PRECISION_BITS = 22


def luma(image):
    """[h, w]: ITU-R 601 in Pillow's fixed point."""
    rgb = image.astype(np.uint32)
    return ((19595 * rgb[..., 0] + 38470 * rgb[..., 1] + 7471 * rgb[..., 2] + 32768) >> 16).astype(
        np.uint8)


def to_grey(image):
    return np.repeat(luma(image)[..., None], 3, axis=2)


def inverted_edges(image):
    """FIND_EDGES of each channel, then 255 - x; the outermost pixels are only inverted."""
    result = 255 - image
    x = image.astype(np.int32)
    height, width = image.shape[:2]
    if height > 2 and width > 2:
        edges = 9 * x[1:-1, 1:-1]
        for down in range(3):
            for right in range(3):
                edges = edges - x[down:height - 2 + down, right:width - 2 + right]
        result[1:-1, 1:-1] = 255 - np.clip(edges, 0, 255).astype(np.uint8)
    return result


def thicken(image, passes):
    """MinFilter(3), several times."""
    for _ in range(passes):
        for axis in (0, 1):
            padded = np.pad(image, [(1, 1) if i == axis else (0, 0) for i in range(3)], mode="edge")
            length = image.shape[axis]
            image = np.minimum.reduce([np.take(padded, range(i, i + length), axis) for i in range(3)])
    return image


def fit_to_ink(image):
    """Cuts out what is darker than the white background, and centres it in a white square."""
    ink = luma(image) < WHITE_GROUND
    rows, columns = np.flatnonzero(ink.any(1)), np.flatnonzero(ink.any(0))
    if rows.size == 0:
        return image
    part = image[rows[0]:rows[-1] + 1, columns[0]:columns[-1] + 1]
    longest = LONGEST_THIN_PART if max(part.shape[:2]) > THIN * min(part.shape[:2]) else LONGEST_PART
    part = reduce(part, longest, "RESIZE_FILTER_BILINEAR")
    height, width = part.shape[:2]
    longer = max(height, width)
    side = longer + 2 * max(1, longer // 16)
    square = np.full((side, side, 3), 255, dtype=np.uint8)
    top, left = (side - height) // 2, (side - width) // 2
    square[top:top + height, left:left + width] = part
    return square


def _bilinear(t):
    return max(0.0, 1.0 - abs(t))


def _bicubic(t):
    t = abs(t)
    if t < 1:
        return (1.5 * t - 2.5) * t * t + 1
    return ((-0.5 * t + 2.5) * t - 4) * t + 2 if t < 2 else 0.0


def _sinc(t):
    return 1.0 if t == 0 else math.sin(math.pi * t) / (math.pi * t)


def _lanczos(t):
    return _sinc(t) * _sinc(t / 3) if -3 <= t < 3 else 0.0


KERNELS = {"RESIZE_FILTER_BILINEAR": (_bilinear, 1), "RESIZE_FILTER_BICUBIC": (_bicubic, 2),
           "RESIZE_FILTER_LANCZOS": (_lanczos, 3)}

# One side of a resize: the length of the whole result, and the part of it that is computed.
Side = collections.namedtuple("Side", "length first count")


def _resample_taps(inputs, side, resize_filter):
    """For each pixel of the result the first input, and the weights from it on in fixed point."""
    weight, radius = KERNELS[resize_filter]
    scale = inputs / side.length
    filter_scale = max(1.0, scale)
    support = radius * filter_scale
    taps = []
    for i in range(side.count):
        center = (side.first + i + 0.5) * scale
        begin = max(0, int(center - support + 0.5))
        end = min(inputs, int(center + support + 0.5))
        weights = [weight((x - center + 0.5) / filter_scale) for x in range(begin, end)]
        total = 0.0
        for w in weights:
            total += w
        fixed = []
        for w in weights:
            scaled = (w if total == 0 else w / total) * (1 << PRECISION_BITS)
            fixed.append(int(scaled + (-0.5 if w < 0 else 0.5)))
        taps.append((begin, np.array(fixed, dtype=np.float64)))
    return taps


def _resize_width(image, side, resize_filter):
    width = image.shape[1]
    if side.length == width and side.count == width:
        return image
    result = np.empty((image.shape[0], side.count, 3), dtype=np.uint8)
    for x, (first, weights) in enumerate(_resample_taps(width, side, resize_filter)):
        # Sums of integers below 2^53, which float64 represents exactly.
        part = image[:, first:first + len(weights)].astype(np.float64)
        sums = np.einsum("hwc,w->hc", part, weights) + (1 << (PRECISION_BITS - 1))
        result[:, x] = np.clip(sums.astype(np.int64) >> PRECISION_BITS, 0, 255)
    return result


def _resize_sides(image, width, height, resize_filter):
    image = _resize_width(image, width, resize_filter)
    turned = _resize_width(image.transpose(1, 0, 2), height, resize_filter)
    return np.ascontiguousarray(turned.transpose(1, 0, 2))


def resize(image, width, height, resize_filter):
    return _resize_sides(image, Side(width, 0, width), Side(height, 0, height), resize_filter)


def _centre(length, count):
    # Python rounds a half to the even neighbour, as torchvision's CenterCrop does.
    return Side(length, int(round((length - count) / 2)), count)


def resize_and_crop(image, shorter, width, height, resize_filter):
    """torchvision's Resize to a shorter side, then CenterCrop."""
    now = min(image.shape[:2])
    return _resize_sides(image, _centre(shorter * image.shape[1] // now, width),
                         _centre(shorter * image.shape[0] // now, height), resize_filter)


def reduce(image, longer, resize_filter):
    """To a longer side, unless the image is no larger."""
    now = max(image.shape[:2])
    if now <= longer:
        return image
    height, width = (max(1, math.floor(side * longer / now + 0.5)) for side in image.shape[:2])
    return resize(image, width, height, resize_filter)


def _has_white_border(image):
    levels = luma(image)
    depth = max(1, min(levels.shape) // 32)
    inner = np.zeros(levels.shape, dtype=bool)
    inner[depth:-depth, depth:-depth] = True
    border = np.sort(levels[~inner])
    return border[int(0.05 * (border.size - 1))] >= WHITE_GROUND


class Preprocessor:
    """Turns pictures of one modality into the network's input, as `spec`, the manifest's, says."""

    def __init__(self, spec, modality):
        self.spec = spec
        self.modality = modality
        levels = np.arange(256, dtype=np.float32)[:, None] / np.float32(255)
        self.values = (levels - np.float32(spec["mean"])) / np.float32(spec["std"])

    def prepare(self, image, white_ground=False):
        """uint8 [h, w, 3] -> uint8 [height, width, 3].

        A spec with `measuredGround` cleans drawings of paper, shadows, ruling and specks, which
        only the programs of sketch2photo can. With `white_ground` the caller says that there is
        nothing to clean, as on a canvas: dark grey strokes on clean white. On white, too, the
        programs take out ruling, make coloured ink grey, leave specks smaller than a 36th of the
        longer side out of the cut and wipe off dirt; and they measure a drawing of more than 512
        pixels on a smaller copy, which moves the cut by up to a pixel of that copy. This file does
        none of that.
        """
        image = np.asarray(image)
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
            raise ValueError(f"picture: {image.dtype} {list(image.shape)}, not uint8 [h, w, 3]")
        spec, resize_filter = self.spec, self.spec["filter"]
        if spec["fit"]:
            if spec["measuredGround"]:
                self._check_ground(image, white_ground)
            image = fit_to_ink(image)
        if spec["workSize"]:
            image = reduce(image, spec["workSize"], resize_filter)
        if spec["edges"]:
            image = inverted_edges(image)
        if spec["resizeFirst"]:
            image = self._to_input_size(image)
        if spec["grey"]:
            image = to_grey(image)
        image = thicken(image, spec["thicken"])
        return image if spec["resizeFirst"] else self._to_input_size(image)

    def _check_ground(self, image, white_ground):
        if not white_ground:
            raise NotImplementedError(
                f"{self.modality}.measuredGround: this file cannot clean drawings of their paper; "
                "pass white_ground=True for dark strokes on clean white, or embed with s2p-server")
        if not _has_white_border(image):
            raise ValueError(f"{self.modality}: white_ground=True, but the border is not white")

    def _to_input_size(self, image):
        width, height = self.spec["width"], self.spec["height"]
        if self.spec["resizeShorter"]:
            return resize_and_crop(image, self.spec["resizeShorter"], width, height,
                                   self.spec["filter"])
        return resize(image, width, height, self.spec["filter"])

    def __call__(self, image, white_ground=False):
        """uint8 [h, w, 3] -> float32 [3, height, width], normalised."""
        prepared = self.prepare(image, white_ground)
        return np.stack([self.values[prepared[..., c], c] for c in range(3)])


def _eight_bits(path, levels):
    """Grey of 16 bits, which Pillow's own conversion clips at 255."""
    levels = levels.astype(np.int64)
    if levels.min() < 0 or levels.max() > 65535:
        raise ValueError(f"{path}: grey of more than 16 bits")
    return ((levels * 255 + 32767) // 65535).astype(np.uint8)


def read_picture(path):
    """A picture file as uint8 [h, w, 3]: upright, on white where it is transparent. Needs Pillow."""
    from PIL import Image, ImageOps
    with Image.open(path) as file:
        picture = ImageOps.exif_transpose(file)
        if picture.mode == "F":
            raise ValueError(f"{path}: pixels are floating-point numbers, whose white is unknown")
        if picture.mode.startswith("I"):
            picture = Image.fromarray(_eight_bits(path, np.asarray(picture)))
        rgba = np.asarray(picture.convert("RGBA")).astype(np.uint32)
    alpha = rgba[..., 3:]
    return ((rgba[..., :3] * alpha + 255 * (255 - alpha) + 127) // 255).astype(np.uint8)


# ---------------------------------------------------------------------------------------------------
# The probe's pictures, in integers only.

def _noise(x, y, channel):
    h = (x * 0x9E3779B1 ^ y * 0x85EBCA77 ^ channel * 0xC2B2AE3D).astype(np.uint32)
    h = (h ^ (h >> 15)) * np.uint32(0x2C1B3C6D)
    h = (h ^ (h >> 12)) * np.uint32(0x297A2D39)
    return (h ^ (h >> 15)) >> 24


def _in_disc(x, y, centre_x, centre_y, radius):
    return (x - centre_x) ** 2 + (y - centre_y) ** 2 <= radius ** 2


def _probe_photo():
    y, x = np.mgrid[0:96, 0:128]
    pixels = np.stack([40 + x, 200 - y, 90 + (x + y) // 2], 2)
    disc = _in_disc(x, y, 44, 40, 26)
    pixels[disc] = np.stack([np.full_like(y, 210), 60 + y, np.full_like(y, 30)], 2)[disc]
    patch = (x >= 76) & (x < 116) & (y >= 50) & (y < 84)
    noise = np.stack([_noise(x, y, np.int64(c)) // 2 + 20 * c for c in range(3)], 2)
    pixels[patch] = noise[patch]
    pixels[(x >= 12) & (x < 70) & (y >= 76) & (y < 82)] = 15
    return pixels.astype(np.uint8)


def _probe_sketch():
    y, x = np.mgrid[0:160, 0:120]
    ink = _in_disc(x, y, 60, 48, 34) & ~_in_disc(x, y, 60, 48, 31)
    box = (x >= 24) & (x < 98) & (y >= 92) & (y < 146)
    hole = (x >= 27) & (x < 95) & (y >= 95) & (y < 143)
    ink |= box & ~hole
    ink |= (abs(2 * x - y + 40) <= 3) & (y >= 98) & (y < 140)
    ink |= (abs(x + y - 168) <= 2) & (x >= 30) & (x < 70)
    return np.repeat(np.where(ink, 0, 255)[..., None], 3, axis=2).astype(np.uint8)


def probe_picture(modality):
    """The picture of the probe "s2p-probe-1" that is embedded as this modality."""
    return _probe_sketch() if modality == "sketch" else _probe_photo()


def main():
    parser = argparse.ArgumentParser(description="Checks that this module computes a checkpoint's "
                                     "embeddings as its trainer did.")
    parser.add_argument("checkpoint", help="folder of a version, such as checkpoints/7")
    arguments = parser.parse_args()
    try:
        model = load(arguments.checkpoint, check=False)
        cosines = model.check_probe()
    except CheckpointError as error:
        sys.exit(f"s2p_model: {error}")
    for modality in MODALITIES:
        print(f"{modality}: cosine similarity {cosines[modality]:.7f} with the trainer's embedding")


if __name__ == "__main__":
    main()
