#!/usr/bin/env python3
"""Writes the encoder of a checkpoint as ONNX, and checks it by running it.

    tools/export_onnx.py CHECKPOINT OUT.onnx --modality sketch
    tools/export_onnx.py CHECKPOINT OUT.onnx            writes OUT.photo.onnx and OUT.sketch.onnx

CHECKPOINT is the folder of a version, such as checkpoints/7. A file has the input "images", [n, 3,
height, width] float32 of any n, prepared as the manifest says (tools/s2p_model.py does it), and the
output "embeddings", [n, d] with the norm 1; "attributes", [n, a] in [0, 1], if the model has some. Its
metadata has the description of the preparation and the names of the attributes.

The file is run before it gets its name: on the pictures of the checkpoint's golden probe, whose
embeddings the trainer has computed, and on batches of several sizes, which PyTorch computes as well.
It is run by the first of these that is installed: ONNX Runtime, onnx's own evaluator (onnx 1.13 and
newer), OpenCV (ResNets only). A file that exists is never replaced.

Needs torch 1.13 or newer and onnx: Debian's python3-torch, python3-onnx, python3-opencv.
"""

import argparse
import errno
import importlib.util
import inspect
import json
import os
import shutil
import subprocess
import sys
import tempfile
import warnings

import numpy as np
import torch

import s2p_model

try:
    import onnx
except ImportError:
    onnx = None

# The newest opset that OpenCV 4.6 reads.
OPSET = 11
# Largest difference from PyTorch: the norm of a row's difference for embeddings, whose norm is 1, and
# the largest difference of a value for attributes, which lie between 0 and 1.
TOLERANCE = 1e-4


class OnnxRuntime:
    """In a process of its own: on Debian 13 it shares a library with onnx, in which both register the
    same operators, and each operator then logs an error."""
    name, module = "ONNX Runtime", "onnxruntime"
    program = """
import sys, numpy, onnxruntime
path, folder, *outputs = sys.argv[1:]
session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
results = session.run(outputs, {"images": numpy.load(folder + "/images.npy")})
for name, result in zip(outputs, results):
    numpy.save(folder + "/" + name, result)
"""

    def __init__(self, path):
        self.path = path

    def __call__(self, images, outputs):
        with tempfile.TemporaryDirectory() as folder:
            np.save(os.path.join(folder, "images"), images)
            result = subprocess.run([sys.executable, "-c", self.program, self.path, folder, *outputs],
                                    capture_output=True, text=True)
            if result.returncode != 0:
                raise ValueError(f"exit status {result.returncode}: "
                                 + result.stderr.strip().split("\n")[-1])
            return [np.load(os.path.join(folder, name + ".npy")) for name in outputs]


class OnnxReference:
    name, module = "onnx.reference", "onnx.reference"

    def __init__(self, path):
        from onnx.reference import ReferenceEvaluator
        self.evaluator = ReferenceEvaluator(path)

    def __call__(self, images, outputs):
        return self.evaluator.run(outputs, {"images": images})


class OpenCv:
    # OpenCV 4.6 fails on other networks.
    name, module = "OpenCV (which runs ResNets only)", "cv2"

    def __init__(self, path):
        import cv2
        self.network = cv2.dnn.readNetFromONNX(path)

    def __call__(self, images, outputs):
        self.network.setInput(images, "images")
        return self.network.forward(outputs)


RUNTIMES = {"onnxruntime": OnnxRuntime, "onnx": OnnxReference, "opencv": OpenCv}


def choose_runtime(name=None):
    """The runtime of this name, or the first that is installed. ValueError if it is not, or none."""
    for candidate, runtime in RUNTIMES.items():
        if name in (None, candidate):
            try:
                if importlib.util.find_spec(runtime.module):
                    return runtime
            except ImportError:
                pass  # There is no package that could hold the module.
    missing = f"{name} is not installed" if name else "nothing is installed that could run the graph"
    raise ValueError(f"{missing}; install one of onnxruntime, onnx (1.13 or newer) and opencv, or pass "
                     "--unchecked")


def copy_shared_weights(graph):
    """Gives each tensor its own copy: PyTorch stores equal ones once and refers to them by nodes, which
    OpenCV 4.6 cannot read."""
    weights = {tensor.name: tensor for tensor in graph.initializer}
    for node in [node for node in graph.node if node.op_type == "Identity"]:
        if node.input[0] in weights:
            graph.initializer.add().CopyFrom(weights[node.input[0]])
            graph.initializer[-1].name = node.output[0]
            graph.node.remove(node)


def write_onnx(model, modality, path):
    network = s2p_model.SingleModality(model, modality)
    spec = model.preprocessors[modality].spec
    outputs = ["embeddings"] + (["attributes"] if model.attributes else [])
    options = {}
    # The newer exporter needs a package that Debian does not have.
    if "dynamo" in inspect.signature(torch.onnx.export).parameters:
        options["dynamo"] = False
    with warnings.catch_warnings(), torch.no_grad():
        # Sizes are those of the manifest, so that it is right to take them for constants.
        warnings.simplefilter("ignore")
        torch.onnx.export(network, (torch.zeros(2, 3, spec["height"], spec["width"]),), path,
                          opset_version=OPSET, input_names=["images"], output_names=outputs,
                          dynamic_axes={name: {0: "n"} for name in ["images", *outputs]}, **options)
    graph = onnx.load(path)
    copy_shared_weights(graph.graph)
    onnx.helper.set_model_props(graph, {
        "s2p.modality": modality,
        "s2p.version": str(model.manifest.get("version", "")),
        "s2p.preprocessing": json.dumps(spec),
        "s2p.attributes": json.dumps(model.attributes),
    })
    onnx.checker.check_model(graph)
    onnx.save(graph, path)
    return network, outputs


def check(run, network, outputs):
    """Returns the cosine similarity with the trainer's embedding and the largest difference from
    PyTorch's outputs; ValueError if one is not what it must be."""
    model, modality = network.model, network.modality
    probe = model.manifest["goldenProbe"]
    images = model.prepare([s2p_model.probe_picture(modality)], modality, white_ground=True)
    embedding = run(images.numpy(), outputs)[0][0]
    cosine = s2p_model.check_probe_vector(modality, probe[modality], probe["minCosineFp32"], embedding)
    generator = torch.Generator().manual_seed(1)
    differences = []
    for count in (1, 3):
        batch = torch.randn((count, *images.shape[1:]), generator=generator)
        with torch.no_grad():
            want = network(batch)
        want = want if isinstance(want, tuple) else (want,)
        results = run(batch.numpy(), outputs)
        if len(results) != len(outputs):
            raise ValueError(f"{len(results)} outputs, not {len(outputs)}")
        for name, got, tensor in zip(outputs, results, want):
            if got.shape != tuple(tensor.shape):
                raise ValueError(f"{name}: {list(got.shape)}, not {list(tensor.shape)}")
            difference = got - tensor.numpy()
            differences += list(np.linalg.norm(difference, axis=1) if name == "embeddings"
                                else np.abs(difference).max(axis=1))
    # NaN if one of them is.
    largest = float(np.max(differences))
    if not largest <= TOLERANCE:
        raise ValueError(f"its outputs differ from PyTorch's by {largest:.1e}")
    return cosine, largest


def take_name(path, out):
    """Gives a file its name. FileExistsError if another has it."""
    try:
        # Unlike a rename, a link does not replace a file.
        os.link(path, out)
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP):
            raise
        copy_to_new(path, out)


def copy_to_new(path, out):
    """For file systems without hard links."""
    with open(path, "rb") as source, open(out, "xb") as copy:
        try:
            shutil.copyfileobj(source, copy)
        except BaseException:
            os.remove(out)
            raise


def export(model, modality, out, runtime=None, unchecked=False):
    """Writes one file; returns what was found out about it, as a sentence."""
    folder = os.path.dirname(os.path.abspath(out))
    with tempfile.TemporaryDirectory(dir=folder, prefix=".export_onnx.") as temporary:
        path = os.path.join(temporary, "model.onnx")
        network, outputs = write_onnx(model, modality, path)
        report = "not run: --unchecked"
        if not unchecked:
            runtime = choose_runtime(runtime)
            try:
                cosine, largest = check(runtime(path), network, outputs)
            except Exception as error:
                # A runtime has errors of its own kinds.
                raise ValueError(f"{runtime.name} refuses the graph or computes something else: "
                                 f"{error}") from error
            report = (f"run by {runtime.name}: cosine similarity {cosine:.7f} with the trainer's "
                      f"embedding, largest difference from PyTorch's {largest:.1e}")
        take_name(path, out)
    return report


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("checkpoint", help="folder of a version, such as checkpoints/7")
    parser.add_argument("output", help="the file to write")
    parser.add_argument("--modality", choices=s2p_model.MODALITIES,
                        help="without it both are written, as OUT.photo.onnx and OUT.sketch.onnx")
    parser.add_argument("--runtime", choices=RUNTIMES, help="the one to check with")
    parser.add_argument("--unchecked", action="store_true", help="do not run the file")
    arguments = parser.parse_args()
    if onnx is None:
        sys.exit("export_onnx: the Python package onnx is not installed (Debian's python3-onnx)")
    stem, ending = os.path.splitext(arguments.output)
    if arguments.modality:
        outputs = {arguments.modality: arguments.output}
    else:
        outputs = {modality: f"{stem}.{modality}{ending}" for modality in s2p_model.MODALITIES}
    for out in outputs.values():
        if os.path.lexists(out):
            sys.exit(f"export_onnx: {out}: exists already, and is not replaced")
    try:
        model = s2p_model.load(arguments.checkpoint)
    except s2p_model.CheckpointError as error:
        sys.exit(f"export_onnx: {error}")
    for modality, out in outputs.items():
        try:
            report = export(model, modality, out, arguments.runtime, arguments.unchecked)
        except (OSError, ValueError, RuntimeError) as error:
            sys.exit(f"export_onnx: {out}: {error}")
        print(f"{out}: {report}")


if __name__ == "__main__":
    main()
