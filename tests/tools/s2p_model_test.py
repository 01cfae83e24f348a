#!/usr/bin/python3
"""Tests tools/s2p_model.py with the models of export_models.py.

usage: s2p_model_test.py BIN_DIR WORK_DIR [TEST...]
"""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

try:
    import numpy as np
    import torch
except ImportError:
    print("SKIPPED: python3-torch or python3-numpy is not installed")
    sys.exit(77)
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tools"))
import s2p_model
import export_models
from export_models import changed_manifest, checkpoint, read_safetensors, replace_weights

GOLDEN = pathlib.Path(__file__).resolve().parents[1] / "data" / "golden"
BIN = WORK = None
torch.set_num_threads(1)


class EmbeddingTest(unittest.TestCase):
    """The same embeddings as the trainer's."""

    def check(self, name):
        model = s2p_model.load(checkpoint(WORK, name))
        probe = model.manifest["goldenProbe"]
        # Otherwise an agreement would prove little.
        self.assertLess(np.dot(probe["photo"], probe["sketch"]), 0.99)
        for modality in s2p_model.MODALITIES:
            got = model.embed([s2p_model.probe_picture(modality)], modality)[0].numpy()
            np.testing.assert_allclose(got, probe[modality], rtol=0, atol=1e-5)

    def test_residual_network_with_two_grids(self):
        self.check("residual")

    def test_caffe_network_behind_a_neck(self):
        self.check("caffe")

    def test_transformer_with_everything_that_it_can_have(self):
        self.check("transformer")

    def test_convnext(self):
        self.check("convnext")

    def test_searches_rank_as_the_trainer_does(self):
        data_set = os.path.join(WORK, "data", "target")
        folder = checkpoint(WORK, "residual")
        result = subprocess.run(
            [os.path.join(BIN, "s2p-trainer"), "evaluate", "--checkpoint", folder, "--dataset", data_set,
             "--split", "train", "--details", "--json", "--device", "cpu", "--threads", "1"],
            check=True, capture_output=True, text=True)
        want = {query["path"]: query["rank"] for query in json.loads(result.stdout)["ranks"]}
        try:
            got = self.ranks(s2p_model.load(folder), data_set)
        except ImportError:
            self.skipTest("python3-pil is not installed")
        self.assertEqual(len(got), 18)
        self.assertEqual(got, want)

    @staticmethod
    def ranks(model, data_set):
        with open(os.path.join(data_set, "dataset.jsonl"), encoding="utf-8") as file:
            lines = [json.loads(line) for line in file]
        rows, embeddings = {}, {}
        for modality in s2p_model.MODALITIES:
            rows[modality] = [line for line in lines
                              if line["split"] == "train" and line["modality"] == modality]
            embeddings[modality] = model.embed(
                [s2p_model.read_picture(os.path.join(data_set, line["path"]))
                 for line in rows[modality]], modality).numpy()
        ranks = {}
        for sketch, vector in zip(rows["sketch"], embeddings["sketch"]):
            order = np.argsort(-(embeddings["photo"] @ vector))
            found = [rows["photo"][i]["identity"] for i in order]
            ranks[sketch["path"]] = found.index(sketch["identity"]) + 1
        return ranks


class GoldenTest(unittest.TestCase):
    """The same outputs as the reference programs'."""

    def check(self, arch):
        golden = read_safetensors(GOLDEN / "backbone.safetensors")
        network = s2p_model.create_backbone({"arch": arch, "lastStage": 4, "lastStride": 1}).eval()
        network.load_state_dict({name: torch.from_numpy(array) for name, array in
                                 export_models.golden_weights(network).items()})
        images = torch.from_numpy(export_models.golden_input("input_2x3x96x96", (2, 3, 96, 96)))
        with torch.no_grad():
            maps = network(images)
        for stage, got in (("layer3", maps.before_last), ("layer4", maps.last)):
            want = golden[f"{arch}.96x96.{stage}"]
            np.testing.assert_allclose(got.mean((2, 3)).numpy(), want, rtol=0,
                                       atol=1e-5 * np.abs(want).max())

    def test_resnet50(self):
        self.check("resnet50")

    def test_se_resnext50(self):
        self.check("se_resnext50_32x4d")

    def test_prepared_photo(self):
        golden = read_safetensors(GOLDEN / "preprocess_small.safetensors")
        steps = {**s2p_model.PREPROCESSING, "height": 96, "width": 96, "grey": True, "edges": True,
                 "filter": "RESIZE_FILTER_BILINEAR", "mean": [0.485, 0.456, 0.406],
                 "std": [0.229, 0.224, 0.225]}
        preprocessor = s2p_model.Preprocessor(steps, "photo")
        source = golden["photo/src"]
        np.testing.assert_array_equal(s2p_model.luma(source), golden["photo/sbir_sketch/gray"])
        np.testing.assert_array_equal(preprocessor.prepare(source)[..., 0],
                                      golden["photo/sbir_photo/resized"])
        np.testing.assert_array_equal(s2p_model.resize(s2p_model.to_grey(source), 96, 96,
                                                       steps["filter"])[..., 0],
                                      golden["photo/sbir_sketch/resized"])
        np.testing.assert_allclose(preprocessor(source), golden["photo/sbir_photo/tensor"], rtol=0,
                                   atol=1e-6)

    def test_attributes_of_the_release(self):
        golden = read_safetensors(GOLDEN / "heads.safetensors")
        head = s2p_model._attribute_head(False, 2048, 128, 8).eval()
        head.load_state_dict({
            name: torch.from_numpy(array.copy()) for name, array in
            self.named_as_released(head).items()})
        features = torch.from_numpy(export_models.golden_input("heads.feat_6x2048", (6, 2048)))
        with torch.no_grad():
            got = torch.sigmoid(head(features)).numpy()
        np.testing.assert_allclose(got, golden["attribute_net128.eval.prob"], rtol=0, atol=1e-5)

    @staticmethod
    def named_as_released(head):
        return {name: export_models.golden_tensor("attribute_net." + name, tuple(tensor.shape))
                if tensor.is_floating_point() else np.zeros((), dtype=np.int64)
                for name, tensor in head.state_dict().items()}


class DescriptionTest(unittest.TestCase):
    """The module knows what the programs know."""

    def read(self, path):
        return (pathlib.Path(__file__).resolve().parents[2] / path).read_text(encoding="utf-8")

    def test_architectures_are_those_of_the_table(self):
        table = self.read("model/backbone/architecture.cc")
        names = re.findall(r'^    {"(\w+)", ', table, re.MULTILINE)
        names += re.findall(r'kOwnTransformer\[\] = "(\w+)"', table)
        self.assertEqual(s2p_model.architecture_names(), names)

    def test_newest_format_is_the_programs(self):
        version = re.search(r"kCheckpointFormatVersion = (\d+);", self.read("model/checkpoint.h"))
        self.assertEqual(s2p_model.NEWEST_FORMAT, int(version.group(1)))

    def test_fields_and_values_are_those_of_the_proto(self):
        proto = self.read("proto/s2p/v1/checkpoint.proto")

        def body(kind, name):
            return re.search(rf"^{kind} {name} {{\n(.*?)^}}", proto, re.MULTILINE | re.DOTALL).group(1)
        for message, fields in (("Backbone", s2p_model.BACKBONE), ("Embedding", s2p_model.EMBEDDING),
                                ("Preprocessing", s2p_model.PREPROCESSING),
                                ("VisionTransformer", s2p_model.TRANSFORMER)):
            names = re.findall(r"^  [\w ]+ (\w+) = \d+;", body("message", message), re.MULTILINE)
            camel = {re.sub(r"_(\w)", lambda m: m.group(1).upper(), name) for name in names}
            self.assertEqual(set(fields), camel, message)
        for enum, values in (("Pooling", s2p_model.POOLINGS), ("Neck", s2p_model.NECKS),
                             ("RetrievalFeature", s2p_model.FEATURES),
                             ("ResizeFilter", s2p_model.FILTERS),
                             ("Activation", s2p_model.ACTIVATIONS),
                             ("PositionResampling", s2p_model.RESAMPLINGS)):
            names = re.findall(r"^  (\w+) = [1-9]\d*;", body("enum", enum), re.MULTILINE)
            self.assertEqual(set(values), set(names), enum)


class PreprocessorTest(unittest.TestCase):
    def preprocessor(self, **fields):
        return s2p_model.Preprocessor({
            **s2p_model.PREPROCESSING, "height": 32, "width": 32, "fit": True,
            "filter": "RESIZE_FILTER_BILINEAR", "mean": [0, 0, 0], "std": [1, 1, 1], **fields}, "sketch")

    def drawing(self, ground):
        picture = np.full((60, 40, 3), ground, dtype=np.uint8)
        picture[20:30, 10:25] = 0
        return picture

    def test_position_and_margin_of_a_drawing_do_not_matter(self):
        near = self.drawing(255)
        far = np.full((300, 200, 3), 255, dtype=np.uint8)
        far[100:160, 90:130] = near
        prepare = self.preprocessor().prepare
        np.testing.assert_array_equal(prepare(near), prepare(far))

    def test_paper_that_it_cannot_clean_is_an_error_not_another_picture(self):
        preprocessor = self.preprocessor(measuredGround=True)
        with self.assertRaisesRegex(NotImplementedError, "sketch.measuredGround"):
            preprocessor.prepare(self.drawing(255))
        with self.assertRaisesRegex(ValueError, "border is not white"):
            preprocessor.prepare(self.drawing(180), white_ground=True)

    def test_clean_white_is_prepared_as_without_measured_ground(self):
        np.testing.assert_array_equal(
            self.preprocessor(measuredGround=True).prepare(self.drawing(255), white_ground=True),
            self.preprocessor().prepare(self.drawing(255)))

    def test_other_arrays_than_pixels_are_refused(self):
        for picture in (np.zeros((4, 4, 3)), np.zeros((4, 4), np.uint8), np.zeros((0, 4, 3), np.uint8)):
            with self.assertRaisesRegex(ValueError, "picture: "):
                self.preprocessor().prepare(picture)

    def test_images_of_another_size_are_refused(self):
        model = s2p_model.load(checkpoint(WORK, "transformer"))
        with self.assertRaisesRegex(ValueError, r"photos have \[n, 3, 64, 48\]"):
            model(torch.zeros(1, 3, 48, 64), "photo")


class DamageTest(unittest.TestCase):
    """Copies of the small transformer, each damaged in one place."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = os.path.join(folder.name, "1")
        shutil.copytree(checkpoint(WORK, "transformer"), self.folder)

    def refused(self, message):
        with self.assertRaisesRegex(s2p_model.CheckpointError, message) as caught:
            s2p_model.load(self.folder)
        self.assertIn(self.folder, str(caught.exception))

    def change(self, *path, to):
        with changed_manifest(self.folder) as manifest:
            place = manifest
            for key in path[:-1]:
                place = place[key]
            place[path[-1]] = to

    def weights(self):
        return read_safetensors(os.path.join(self.folder, "weights.safetensors"))

    def test_the_copy_loads(self):
        s2p_model.load(self.folder)

    def test_missing_tensor(self):
        arrays = self.weights()
        del arrays["sketch_encoder.blocks.3.attn.qkv.weight"]
        replace_weights(self.folder, arrays)
        self.refused(r"tensor 'sketch_encoder\.blocks\.3\.attn\.qkv\.weight': missing")

    def test_surplus_tensor(self):
        replace_weights(self.folder, {**self.weights(), "more": np.zeros(2, np.float32)})
        self.refused("tensor 'more': the network has no tensor of this name")

    def test_tensor_of_another_shape(self):
        arrays = self.weights()
        arrays["projection.weight"] = arrays["projection.weight"].T
        replace_weights(self.folder, arrays)
        self.refused(r"tensor 'projection.weight': torch.float32 \[24, 16\], but the network has")

    def test_value_that_is_not_finite(self):
        arrays = self.weights()
        arrays["projection.photo_bias"] = np.full(16, np.nan, np.float32)
        replace_weights(self.folder, arrays)
        self.refused("tensor 'projection.photo_bias': holds a value that is not finite")

    def test_weights_of_another_model(self):
        arrays = self.weights()
        arrays["photo_encoder.cls_token"] = arrays["photo_encoder.cls_token"][..., ::-1]
        replace_weights(self.folder, arrays)
        self.refused("goldenProbe.photo: this program's embedding of the probe image has cosine")

    def test_flipped_byte(self):
        path = os.path.join(self.folder, "weights.safetensors")
        with open(path, "r+b") as file:
            file.seek(-1, os.SEEK_END)
            last = file.read(1)[0]
            file.seek(-1, os.SEEK_END)
            file.write(bytes([last ^ 1]))
        self.refused(r"weights.safetensors: sha256: ")

    def test_file_that_was_cut(self):
        path = os.path.join(self.folder, "weights.safetensors")
        os.truncate(path, os.path.getsize(path) - 4)
        self.refused(r"weights.safetensors: size: \d+ bytes, but the manifest says \d+")

    def test_newer_format(self):
        self.change("formatVersion", to=4)
        self.refused("formatVersion: 4 is newer than this program, which reads 3")

    def test_unknown_architecture(self):
        self.change("backbone", "arch", to="resnet19")
        self.refused("backbone.arch: 'resnet19' is not one of resnet18, ")

    def test_unknown_field(self):
        self.change("photo", "sharpen", to=True)
        self.refused("photo.sharpen: this program does not know the field")

    def test_field_of_another_type(self):
        self.change("sketch", "thicken", to="1")
        self.refused("sketch.thicken: '1' is of the wrong type")

    def test_values_out_of_range(self):
        for path, value, message in (
                (("photo", "height"), 0, r"photo.height: 0 is not in \[1, 1024\]"),
                (("photo", "width"), 52, "photo.width: 52 is not a multiple of the patch"),
                (("photo", "std"), [1, 0, 1], "photo.std: not above 0"),
                (("embedding", "grid"), 2, r"embedding.grid: 2 is not in \[0, 0\]"),
                (("embedding", "pooling"), "POOLING_MAX", "embedding.pooling: 'POOLING_MAX'"),
                (("embedding", "neck"), "", "embedding.neck: ''"),
                (("backbone", "lastStage"), 5, r"backbone.lastStage: 5 is not in \[3, 4\]"),
                (("backbone", "transformer"), None, "backbone.transformer: missing"),
                (("backbone", "transformer", "heads"), 5, "backbone.transformer.width: 32 is not a"),
                (("goldenProbe", "minCosineFp32"), 0.5, r"minCosineFp32: 0.5 is not in \[0.9, 1\]"),
                (("goldenProbe", "photo"), [1], "goldenProbe.photo: 1 values, not 16"),
                (("goldenProbe", "photo"), ["1"] * 16, "goldenProbe.photo: not a list of numbers"),
                (("goldenProbe",), [], "goldenProbe: of the wrong type"),
                (("files",), [1], "files: weights.safetensors is missing"),
                (("attributeHidden",), 0, r"attributeHidden: 0 is not in \[1, 65536\]")):
            shutil.copy(os.path.join(checkpoint(WORK, "transformer"), "manifest.json"), self.folder)
            with self.subTest(path=path):
                self.change(*path, to=value)
                self.refused(message)

    def test_no_checkpoint(self):
        os.remove(os.path.join(self.folder, "manifest.json"))
        self.refused("manifest.json: No such file or directory")

    def test_manifest_that_is_not_json(self):
        with open(os.path.join(self.folder, "manifest.json"), "w", encoding="utf-8") as file:
            file.write("{")
        self.refused("manifest.json: not JSON")

    def test_hostile_headers(self):
        def tensors(header, body=b"\0" * 8):
            text = json.dumps(header).encode()
            return len(text).to_bytes(8, "little") + text + body
        entry = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}
        self.assertEqual(set(s2p_model.parse_safetensors(bytearray(tensors({"a": entry})))), {"a"})
        for data, message in (
                (b"", "shorter than"), (b"\xff" * 16, "header: "),
                (tensors([]), "header: "), (tensors({"a": {**entry, "shape": "x"}}), "header: "),
                (tensors({"a": {**entry, "dtype": "F16"}}), "tensor 'a': type 'F16'"),
                (tensors({"a": {**entry, "shape": [3]}}), "tensor 'a': wrong offsets"),
                (tensors({"a": {**entry, "shape": [-1, -2]}}), "tensor 'a': wrong offsets"),
                (tensors({"a": entry, "b": entry}), "tensor 'b': wrong offsets"),
                (tensors({"a": entry}, b"\0" * 4), "tensor 'a': beyond the end"),
                (tensors({"a": entry}, b"\0" * 9), "bytes behind")):
            with self.assertRaisesRegex(s2p_model.CheckpointError, message):
                s2p_model.parse_safetensors(bytearray(data))

    def test_the_program_says_it_in_one_line(self):
        self.change("formatVersion", to=9)
        result = subprocess.run([sys.executable, s2p_model.__file__, self.folder],
                                capture_output=True, text=True)
        self.assertEqual(result.returncode, 1)
        self.assertEqual(result.stderr.count("\n"), 1, result.stderr)
        self.assertIn("formatVersion: 9", result.stderr)


if __name__ == "__main__":
    BIN, WORK = sys.argv[1:3]
    unittest.main(argv=[sys.argv[0], *sys.argv[3:]])
