#!/usr/bin/python3
"""Small models that s2p-trainer publishes, for the tests of the exports.

usage: export_models.py BIN_DIR WORK_DIR     makes WORK_DIR anew, with one store for each of MODELS

The networks start from weights of known values, all of them different, so that none can be left out
or mixed up without a change of the embeddings, and are trained for no epoch. The trainer embeds the
pictures of the golden probe as it publishes them; these embeddings are what exports are compared with.
"""

import contextlib
import hashlib
import json
import os
import pathlib
import shutil
import struct
import subprocess
import sys

try:
    import numpy as np
    import torch  # s2p_model needs it
except ImportError:
    print("SKIPPED: python3-torch or python3-numpy is not installed")
    sys.exit(77)

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tools"))
import s2p_model

# s2p_model.py cannot clean drawings, so the models take clean ones.
STEPS = ["photo.height=64", "photo.width=48", "sketch.height=48", "sketch.width=64",
         "sketch.measured_ground=false"]
# The preset shoes-resnet18 has a grid of 4 x 4 cells, one of 6 x 6 below it, a projection.
MODELS = {
    "residual": ["backbone.arch=resnet18"],
    "caffe": ["backbone.arch=resnet50_caffe", "sketch.edges=true", "sketch.filter=LANCZOS",
              "photo.resize_first=true", "embedding.neck=BATCH_NORM",
              "embedding.retrieval_feature=NECK"],
    "transformer": [
        "backbone.arch=vit", "backbone.last_stage=4", "backbone.shared=false",
        "backbone.frozen_statistics=false", "embedding.pooling=SUMMARY", "embedding.grid=0",
        "embedding.fine_grid=0", "embedding.dimension=16", "photo.resize_shorter=70",
        "photo.filter=BICUBIC", "photo.fit=false",
        *("backbone.transformer." + field for field in (
            "patch=8", "width=32", "depth=5", "heads=4", "mlp_width=48", "position_side=5",
            "class_token=true", "registers=2", "pre_norm=true", "layer_scale=true", "patch_bias=true",
            "projection=24", "activation=QUICK_GELU", "norm_epsilon=1e-5",
            "position_resampling=OFFSET"))],
    "convnext": ["backbone.arch=convnext_tiny", "backbone.frozen_statistics=false",
                 "embedding.grid=2", "embedding.fine_grid=3", "photo.grey=false"],
}


def golden_sequence(name, count):
    """The numbers of a name, each in [0, 1): tests/testing/golden_rule.h."""
    seed = 0xCBF29CE484222325
    for byte in name.encode():
        seed = (seed ^ byte) * 0x100000001B3 % 2**64
    with np.errstate(over="ignore"):
        z = np.arange(count, dtype=np.uint64) + np.uint64((seed + 0x9E3779B97F4A7C15) % 2**64)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
    return (z >> np.uint64(11)).astype(np.float64) * 2.0**-53


def golden_input(name, shape):
    return (-2 + 4 * golden_sequence(name, int(np.prod(shape)))).astype(np.float32).reshape(shape)


def golden_tensor(name, shape):
    u = golden_sequence(name, int(np.prod(shape)))
    if name.endswith(("cls_token", "pos_embed", "register_tokens", "latent", "class_embedding",
                      "positional_embedding")):
        values = -1 + 2 * u
    elif name.endswith(("running_mean", "bias")):
        values = -0.1 + 0.2 * u
    elif name.endswith("running_var") or len(shape) == 1:
        values = 0.8 + 0.4 * u
    else:
        values = np.sqrt(3 / np.prod(shape[1:])) * (2 * u - 1)
    return values.astype(np.float32).reshape(shape)


def golden_weights(module):
    return {name: golden_tensor(name, tuple(tensor.shape)) if tensor.is_floating_point()
            else np.zeros(tuple(tensor.shape), dtype=np.int64)
            for name, tensor in module.state_dict().items()}


def write_safetensors(path, arrays):
    """Any arrays of float32 and int64, in the order of the dictionary."""
    header, at = {}, 0
    for name, array in arrays.items():
        header[name] = {"dtype": {"float32": "F32", "int64": "I64"}[array.dtype.name],
                        "shape": list(array.shape), "data_offsets": [at, at + array.nbytes]}
        at += array.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as out:
        out.write(struct.pack("<Q", len(text)) + text)
        for array in arrays.values():
            out.write(np.ascontiguousarray(array).tobytes())


def read_safetensors(path):
    """The arrays of any file, such as those in tests/data/golden."""
    with open(path, "rb") as file:
        header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
        data = file.read()
    types = {"F64": "<f8", "F32": "<f4", "I64": "<i8", "U8": "u1"}
    return {name: np.frombuffer(data, types[entry["dtype"]], int(np.prod(entry["shape"])),
                                entry["data_offsets"][0]).reshape(entry["shape"])
            for name, entry in header.items()}


def checkpoint(work, name):
    return os.path.join(work, "stores", name, "1")


@contextlib.contextmanager
def changed_manifest(folder):
    """The manifest, to be changed in place."""
    path = os.path.join(folder, "manifest.json")
    with open(path, encoding="utf-8") as file:
        manifest = json.load(file)
    yield manifest
    with open(path, "w", encoding="utf-8") as file:
        json.dump(manifest, file)


def replace_weights(folder, arrays):
    """Other tensors, with the size and digest that the manifest then has."""
    path = os.path.join(folder, "weights.safetensors")
    write_safetensors(path, arrays)
    with open(path, "rb") as file:
        data = file.read()
    with changed_manifest(folder) as manifest:
        manifest["files"] = [{"name": "weights.safetensors", "bytes": str(len(data)),
                              "sha256": hashlib.sha256(data).hexdigest()}]


def initial_weights(fields):
    """Weights of the network that these fields describe, up to its last stage."""
    given = dict(field.split("=") for field in fields)
    arch = given["backbone.arch"]
    description = {"arch": arch, "lastStage": int(given.get("backbone.last_stage", 3)), "lastStride": 2}
    if arch == "vit":
        prefix = "backbone.transformer."
        own = {"".join(word.capitalize() if i else word for i, word in
                       enumerate(name[len(prefix):].split("_"))): value
               for name, value in given.items() if name.startswith(prefix)}
        typed = {name: type(default)(own[name]) if isinstance(default, float)
                 else own.get(name) == "true" if isinstance(default, bool)
                 else int(own.get(name, 0)) if isinstance(default, int) else default
                 for name, default in s2p_model.TRANSFORMER.items()}
        typed["activation"] = "ACTIVATION_" + own["activation"]
        typed["positionResampling"] = "POSITION_RESAMPLING_" + own["positionResampling"]
        description["transformer"] = typed
    return golden_weights(s2p_model.create_backbone(description))


def publish(trainer, work, name, fields):
    weights = os.path.join(work, name + ".safetensors")
    write_safetensors(weights, initial_weights(fields))
    arguments = [trainer, "run", "--preset", "shoes-resnet18", "--device", "cpu", "--threads", "1",
                 "--checkpoint-root", os.path.join(work, "stores", name)]
    for field in ["target_dataset=" + os.path.join(work, "data", "target"), "workers=0",
                  "source_dataset=" + os.path.join(work, "data", "source"), "step1.epochs=0",
                  "step2.epochs=0", "initial_weights=" + weights, *STEPS, *fields]:
        arguments += ["--set", field]
    subprocess.run(arguments, check=True)
    os.remove(weights)


def main():
    bin_dir, work = sys.argv[1:]
    trainer = os.path.join(bin_dir, "s2p-trainer")
    shutil.rmtree(work, ignore_errors=True)
    os.makedirs(work)
    subprocess.run([trainer, "synthesize", "--out", os.path.join(work, "data"), "--identities", "24",
                    "--threads", "1"], check=True)
    for name, fields in MODELS.items():
        publish(trainer, work, name, fields)


if __name__ == "__main__":
    main()
