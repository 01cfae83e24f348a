#!/usr/bin/python3
"""Tests tools/export_onnx.py with the models of export_models.py and the ONNX runtime that is installed.

usage: export_onnx_test.py BIN_DIR WORK_DIR [TEST...]
"""

import errno
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest
import warnings
from unittest import mock

try:
    import numpy as np
    import onnx
    import torch
except ImportError as missing:
    print(f"SKIPPED: {missing.name} for Python is not installed")
    sys.exit(77)
SCRIPT = pathlib.Path(__file__).resolve().parents[2] / "tools" / "export_onnx.py"
sys.path.insert(0, str(SCRIPT.parent))
import export_onnx
import s2p_model
from export_models import changed_manifest, checkpoint

WORK = None
torch.set_num_threads(1)


class ExportOnnxTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.out = os.path.join(self.folder, "out.onnx")

    def run_program(self, name, *arguments):
        return subprocess.run([sys.executable, str(SCRIPT), checkpoint(WORK, name), self.out, *arguments],
                              capture_output=True, text=True)

    def check(self, name, modality):
        """The embeddings are the trainer's and PyTorch's, for batches of several sizes."""
        model = s2p_model.load(checkpoint(WORK, name))
        self.check_graph(model, modality)
        runtime = self.runtime()
        if runtime is export_onnx.OpenCv and name not in ("residual", "caffe"):
            self.skipTest("OpenCV runs ResNets only; install onnxruntime to run the graph")
        export_onnx.export(model, modality, self.out)
        run = runtime(self.out)
        images = model.prepare([s2p_model.probe_picture(modality)], modality)
        outputs = ["embeddings", "attributes"]
        for count in (1, 2, 5):
            embeddings, attributes = run(images.repeat(count, 1, 1, 1).numpy(), outputs)
            self.assertEqual(embeddings.shape, (count, model.dimension))
            for row in embeddings:
                np.testing.assert_allclose(row, model.manifest["goldenProbe"][modality], rtol=0, atol=1e-5)
            with torch.no_grad():
                want = model.attribute_probabilities(model.unnormalised(images, modality))
            np.testing.assert_allclose(attributes, want.repeat(count, 1).numpy(), rtol=0, atol=1e-5)

    def runtime(self):
        try:
            return export_onnx.choose_runtime()
        except ValueError as error:
            self.skipTest(str(error))

    def check_graph(self, model, modality):
        """Whatever is installed: ONNX's own check, the sizes, and what was traced for batches of
        other sizes than the one it was traced with."""
        path = os.path.join(self.folder, "graph.onnx")
        network, outputs = export_onnx.write_onnx(model, modality, path)
        graph = onnx.load(path).graph
        os.remove(path)
        spec = model.preprocessors[modality].spec
        sizes = {value.name: [side.dim_param or side.dim_value for side in
                              value.type.tensor_type.shape.dim]
                 for value in [*graph.input, *graph.output]}
        self.assertEqual(sizes["images"], ["n", 3, spec["height"], spec["width"]])
        self.assertEqual(set(sizes), {"images", *outputs})
        for name in outputs:
            self.assertEqual(sizes[name][0], "n", name)
        shape = (3, spec["height"], spec["width"])
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            traced = torch.jit.trace(network, torch.zeros(2, *shape), check_trace=False)
            for count in (1, 5):
                images = torch.randn((count, *shape), generator=torch.Generator().manual_seed(2))
                for got, want in zip(traced(images), network(images)):
                    torch.testing.assert_close(got, want, rtol=0, atol=1e-5)

    def test_residual_network(self):
        self.check("residual", "sketch")

    def test_caffe_network_whose_pool_rounds_up(self):
        self.check("caffe", "photo")

    def test_convnext(self):
        self.check("convnext", "photo")

    def test_transformer_whose_positions_are_resampled(self):
        self.check("transformer", "photo")

    def test_both_modalities_by_default_with_their_preparation(self):
        self.runtime()
        result = self.run_program("residual")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(sorted(os.listdir(self.folder)), ["out.photo.onnx", "out.sketch.onnx"])
        self.assertEqual(result.stdout.count("cosine similarity 1.0000"), 2, result.stdout)
        graph = onnx.load(os.path.join(self.folder, "out.sketch.onnx"))
        metadata = {entry.key: entry.value for entry in graph.metadata_props}
        self.assertEqual(metadata["s2p.modality"], "sketch")
        self.assertEqual(metadata["s2p.version"], "1")
        self.assertEqual(json.loads(metadata["s2p.preprocessing"])["thicken"], 1)
        self.assertIn("boots", json.loads(metadata["s2p.attributes"]))

    def test_file_that_exists_is_not_replaced(self):
        with open(self.out, "w", encoding="utf-8") as file:
            file.write("mine")
        result = self.run_program("residual", "--modality", "photo")
        self.assertEqual(result.returncode, 1)
        self.assertIn("exists already", result.stderr)
        with open(self.out, encoding="utf-8") as file:
            self.assertEqual(file.read(), "mine")

    def test_graph_that_computes_something_else_gets_no_name(self):
        model = s2p_model.load(checkpoint(WORK, "residual"))
        self.runtime()
        model.manifest["goldenProbe"]["photo"] = model.manifest["goldenProbe"]["sketch"]
        with self.assertRaisesRegex(ValueError, "goldenProbe.photo: .* cosine similarity"):
            export_onnx.export(model, "photo", self.out)
        self.assertEqual(os.listdir(self.folder), [])

    def test_runtime_that_differs_from_pytorch_is_noticed(self):
        model = s2p_model.load(checkpoint(WORK, "residual"))
        network = s2p_model.SingleModality(model, "photo")

        def run(images, outputs):
            with torch.no_grad():
                embeddings, attributes = network(torch.from_numpy(images))
            return [embeddings.numpy(), attributes.numpy() + (len(images) == 3) * 1e-3]
        with self.assertRaisesRegex(ValueError, "differ from PyTorch's by 1.0e-03"):
            export_onnx.check(run, network, ["embeddings", "attributes"])

    def test_numbers_that_are_none_are_noticed(self):
        model = s2p_model.load(checkpoint(WORK, "residual"))
        network = s2p_model.SingleModality(model, "photo")
        for spoiled in (0, 1):
            def run(images, outputs):
                with torch.no_grad():
                    results = [tensor.numpy().copy() for tensor in network(torch.from_numpy(images))]
                if len(images) == 1 and images.min() < -3:  # not the probe, whose values are above
                    results[spoiled][0, 0] = np.nan
                return results
            with self.assertRaisesRegex(ValueError, "differ from PyTorch's by nan"):
                export_onnx.check(run, network, ["embeddings", "attributes"])

    def test_output_that_is_missing_is_noticed(self):
        model = s2p_model.load(checkpoint(WORK, "residual"))
        network = s2p_model.SingleModality(model, "photo")

        def run(images, outputs):
            with torch.no_grad():
                return [network(torch.from_numpy(images))[0].numpy()]
        with self.assertRaisesRegex(ValueError, "1 outputs, not 2"):
            export_onnx.check(run, network, ["embeddings", "attributes"])

    def test_error_of_a_runtime_has_its_exit_status(self):
        runtime = export_onnx.OnnxRuntime("none.onnx")
        runtime.program = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
        with self.assertRaisesRegex(ValueError, "exit status -9"):
            runtime(np.zeros(1), ["embeddings"])

    def test_file_system_without_hard_links(self):
        written = os.path.join(self.folder, "written")
        with open(written, "w", encoding="utf-8") as file:
            file.write("graph")
        refusal = OSError(errno.EPERM, "Operation not permitted")
        with mock.patch("os.link", side_effect=refusal):
            export_onnx.take_name(written, self.out)
            with self.assertRaises(FileExistsError):
                export_onnx.take_name(written, self.out)
            with mock.patch("shutil.copyfileobj", side_effect=OSError(errno.ENOSPC, "No space left")):
                with self.assertRaisesRegex(OSError, "No space left"):
                    export_onnx.take_name(written, self.out + ".2")
        self.assertEqual(sorted(os.listdir(self.folder)), ["out.onnx", "written"])
        with open(self.out, encoding="utf-8") as file:
            self.assertEqual(file.read(), "graph")

    def test_damaged_checkpoint_is_named(self):
        shutil.copytree(checkpoint(WORK, "residual"), os.path.join(self.folder, "1"))
        with changed_manifest(os.path.join(self.folder, "1")) as manifest:
            manifest["formatVersion"] = 4
        result = subprocess.run([sys.executable, str(SCRIPT), os.path.join(self.folder, "1"), self.out],
                                capture_output=True, text=True)
        self.assertEqual(result.returncode, 1)
        self.assertIn("1/manifest.json: formatVersion: 4 is newer than this program", result.stderr)
        self.assertEqual(os.listdir(self.folder), ["1"])


if __name__ == "__main__":
    WORK = sys.argv[2]
    unittest.main(argv=[sys.argv[0], *sys.argv[3:]])
