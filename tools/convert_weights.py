#!/usr/bin/env python3
"""Converts PyTorch weights to a safetensors file, which s2p-trainer reads.

    tools/convert_weights.py IN.pt OUT.safetensors

Reads what torch.save wrote (.pt, .pth, .bin): the zip format, and the older one of PyTorch 1.5 and
before, in which the IHDA release's models and the usual SE-ResNeXt-50 ImageNet weights are stored.
Reads TorchScript archives, such as OpenAI's CLIP models, too. Needs torch 1.13 or newer and nothing
else. Nested dictionaries are joined by dots ("Embed_net_1.base.layer0.conv1.weight"); a prefix
"module.", which a network gets when it is saved from several GPUs, is dropped. Entries that are not
tensors (an epoch, a metric) are named and left out. A file that exists is never replaced.

Only weights are loaded: no Python code from the file runs. A file that holds more than torch loads
in this way is refused; the message says what to do.
"""

import argparse
import ctypes
import inspect
import json
import os
import pickle
import struct
import sys
import tempfile
import zipfile

import torch

# These are stored unchanged; nothing is rounded.
DTYPES = {
    torch.float64: "F64", torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16",
    torch.int64: "I64", torch.int32: "I32", torch.int16: "I16", torch.int8: "I8",
    torch.uint8: "U8", torch.bool: "BOOL",
}


REFUSED = """torch loads tensors and plain values only, and this file holds something else:
  {error}
If you trust those who made the file, save its weights alone with the program that it was made with:
  torch.save(torch.load("{path}", map_location="cpu", weights_only=False)["state_dict"], "weights.pt")
(or another entry than "state_dict"; loading it in this way runs code from the file), and convert
weights.pt."""


def is_torchscript(path):
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any(name.split("/")[1:2] == ["code"] for name in archive.namelist())


def load(path):
    if is_torchscript(path):
        return torch.jit.load(path, map_location="cpu").state_dict()
    if "weights_only" not in inspect.signature(torch.load).parameters:
        raise ValueError(f"torch {torch.__version__} cannot load weights only; 1.13 and newer can")
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise ValueError(REFUSED.format(error=str(error).split("\n")[0], path=path)) from error


def flatten(value, name, tensors, left_out):
    if isinstance(value, torch.Tensor):
        if name in tensors:
            raise ValueError(f'two entries are called "{name}"')
        if value.dtype not in DTYPES:
            raise ValueError(f'"{name}" has type {value.dtype}, which safetensors does not support')
        tensors[name] = value.detach().contiguous()
    elif isinstance(value, dict):
        for key, entry in value.items():
            part = str(key)
            if part.startswith("module."):
                part = part[len("module."):]
            flatten(entry, f"{name}.{part}" if name else part, tensors, left_out)
    else:
        left_out.append(name)


def raw_bytes(tensor):
    # By address, because NumPy may be missing and does not support bfloat16.
    return ctypes.string_at(tensor.data_ptr(), tensor.numel() * tensor.element_size())


def write(path, tensors):
    # By descending element size, so that every tensor is naturally aligned.
    names = sorted(tensors, key=lambda name: (-tensors[name].element_size(), name))
    header, offset = {}, 0
    for name in names:
        size = tensors[name].numel() * tensors[name].element_size()
        header[name] = {"dtype": DTYPES[tensors[name].dtype],
                        "shape": list(tensors[name].shape),
                        "data_offsets": [offset, offset + size]}
        offset += size
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    folder = os.path.dirname(os.path.abspath(path))
    descriptor, temporary = tempfile.mkstemp(dir=folder, prefix=".convert_weights.")
    try:
        with os.fdopen(descriptor, "wb") as out:
            out.write(struct.pack("<Q", len(text)))
            out.write(text)
            for name in names:
                out.write(raw_bytes(tensors[name]))
            out.flush()
            os.fsync(out.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("input", help="a file that torch.save or torch.jit.save wrote")
    parser.add_argument("output", help="the safetensors file to write")
    arguments = parser.parse_args()
    if sys.byteorder != "little":
        sys.exit("convert_weights: only little-endian machines are supported")
    if os.path.lexists(arguments.output):
        sys.exit(f"convert_weights: {arguments.output}: exists already, and is not replaced")
    try:
        content = load(arguments.input)
        tensors, left_out = {}, []
        flatten(content, "", tensors, left_out)
        if not tensors:
            raise ValueError("there is no tensor in it")
        write(arguments.output, tensors)
    except Exception as error:  # torch raises many kinds; each becomes a sentence for the user
        sys.exit(f"convert_weights: {arguments.input}: {error}")
    total = sum(tensor.numel() for tensor in tensors.values())
    print(f"{arguments.output}: {len(tensors)} tensors, {total} values")
    if left_out:
        print("left out, not tensors: " + ", ".join(left_out))


if __name__ == "__main__":
    main()
