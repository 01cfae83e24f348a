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

ROOT = pathlib.Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "tests" / "data" / "golden"
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

    def test_caffe_network_before_a_neck(self):
        self.check("caffe")

    def test_transformer_with_class_token_registers_layer_scale_and_projection(self):
        self.check("transformer")

    def test_convnext(self):
        self.check("convnext")

    def test_searches_rank_as_the_trainer_does(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        data_set = os.path.join(temporary.name, "target")
        shutil.copytree(os.path.join(WORK, "data", "target"), data_set)
        try:
            self.add_thin_and_long_sketch(data_set)
        except ImportError:
            self.skipTest("python3-pil is not installed")
        folder = checkpoint(WORK, "residual")
        result = subprocess.run(
            [os.path.join(BIN, "s2p-trainer"), "evaluate", "--checkpoint", folder, "--dataset", data_set,
             "--split", "train", "--details", "--json", "--device", "cpu", "--threads", "1"],
            check=True, capture_output=True, text=True)
        want = {query["path"]: query["rank"] for query in json.loads(result.stdout)["ranks"]}
        got = self.ranks(s2p_model.load(folder), data_set)
        self.assertEqual(len(got), 20)
        self.assertEqual(got, want)

    @staticmethod
    def add_thin_and_long_sketch(data_set):
        """Sketches that are reduced before the square around them is made."""
        from PIL import Image
        path = os.path.join(data_set, "dataset.jsonl")
        with open(path, encoding="utf-8") as file:
            sketch = next(line for line in map(json.loads, file)
                          if line["split"] == "train" and line["modality"] == "sketch")
        picture = s2p_model.read_picture(os.path.join(data_set, sketch["path"]))
        ink = s2p_model.luma(picture) < s2p_model.WHITE_GROUND
        rows, columns = np.flatnonzero(ink.any(1)), np.flatnonzero(ink.any(0))
        drawn = Image.fromarray(picture[rows[0]:rows[-1] + 1, columns[0]:columns[-1] + 1])
        with open(path, "a", encoding="utf-8") as file:
            for name, size in (("thin.png", (3000, 200)), ("long.png", (8000, 1024))):
                drawn.resize(size).save(os.path.join(data_set, name))
                file.write(json.dumps({**sketch, "path": name}) + "\n")

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

    def check_modern(self, arch, height, width, rename=()):
        """A transformer or ConvNeXt, filled under the names of its published file."""
        shared = pathlib.Path(os.environ.get("S2P_GOLDEN_DIR") or ROOT.parent / "shared" / "golden")
        path = shared / "vit.safetensors"
        if not path.exists():
            self.skipTest("vit.safetensors is missing: set S2P_GOLDEN_DIR to its folder")
        golden = read_safetensors(path)
        network = s2p_model.create_backbone({"arch": arch, "lastStage": 4, "lastStride": 2}).eval()
        tensors = {}
        for name, tensor in network.state_dict().items():
            shape, published = tuple(tensor.shape), name
            for ours, theirs in rename:
                published = published.replace(ours, theirs)
            turned = rename and name == "head.weight"
            array = export_models.golden_tensor(published, shape[::-1] if turned else shape)
            tensors[name] = torch.from_numpy((array.T if turned else array).copy())
        network.load_state_dict(tensors)
        images = export_models.golden_input(f"input_1x3x{height}x{width}", (1, 3, height, width))
        with torch.no_grad():
            maps = network(torch.from_numpy(images))
        cells = s2p_model.cell_means(maps.last, 4).reshape(1, -1, 4, 4).permute(0, 2, 3, 1)
        for name, got in (("embedding", maps.summary), ("grid", cells)):
            want = golden[f"{arch}.{height}x{width}.{name}"]
            got = got[..., ::got.shape[-1] // want.shape[-1]].numpy()
            np.testing.assert_allclose(got, want, rtol=0, atol=1e-4 * np.abs(want).max(), err_msg=name)

    def test_clip(self):
        self.check_modern("clip_vit_b_32", 160, 192, (
            ("cls_token", "class_embedding"), ("pos_embed", "positional_embedding"),
            ("head.weight", "proj"), ("patch_embed.proj", "conv1"), ("norm_pre", "ln_pre"),
            ("blocks.", "transformer.resblocks."), ("norm1", "ln_1"), ("norm2", "ln_2"),
            ("attn.qkv.", "attn.in_proj_"), ("attn.proj", "attn.out_proj"), ("mlp.fc1", "mlp.c_fc"),
            ("mlp.fc2", "mlp.c_proj"), ("norm.", "ln_post.")))

    def test_dinov2(self):
        self.check_modern("dinov2_vits14", 154, 182)

    def test_dinov2_with_registers(self):
        self.check_modern("dinov2_vits14_reg", 154, 182)

    def test_siglip(self):
        self.check_modern("siglip_vit_b_16", 160, 192)

    def test_convnext(self):
        self.check_modern("convnext_tiny", 160, 192)

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
        return (ROOT / path).read_text(encoding="utf-8")

    def test_sizes_of_networks_are_those_of_the_table(self):
        table = self.read("model/backbone/architecture.cc")

        def rows(array):
            body = re.search(rf"{array}\[\] = {{\n(.*?)^}};", table, re.MULTILINE | re.DOTALL).group(1)
            for name, rest in re.findall(r'^    {"(\w+)", (.*)},$', body, re.MULTILINE):
                yield name, tuple(int(number) for number in re.findall(r"\b\d+\b", rest)), rest
        blocks = {"kBasic": "basic", "kBottleneck": "bottleneck", "kCaffeBottleneck": "caffe",
                  "kSqueezeExcitation": "excitation"}
        self.assertEqual(s2p_model.RESIDUAL, {
            name: (blocks[re.search(r"ResidualBlock::(\w+)", rest).group(1)], numbers)
            for name, numbers, rest in rows("kResidual")})
        self.assertEqual(s2p_model.CONVNEXT, {
            name: (numbers[:4], numbers[4:]) for name, numbers, _ in rows("kConvNext")})
        self.assertEqual(s2p_model.TRANSFORMERS, {
            name: numbers for name, numbers, _ in rows("kTransformers")})

    def test_families_of_transformers_are_those_of_the_table(self):
        table = self.read("model/backbone/architecture.cc")
        families = re.findall(r'^    {"(\w+)", TransformerFamily::(\w+),', table, re.MULTILINE)
        self.assertEqual(len(families), len(s2p_model.TRANSFORMERS))
        # For each family: class token, pre-norm, layer scale, registers, activation,
        # attention pool, epsilon, resampling.
        want = {
            "kClip": (True, True, False, 0, "QUICK_GELU", False, 1e-5, "ANTIALIASED"),
            "kDinoV2": (True, False, True, 0, "GELU", False, 1e-6, "OFFSET"),
            "kDinoV2Registers": (True, False, True, 4, "GELU", False, 1e-6, "ANTIALIASED"),
            "kTorchvision": (True, False, False, 0, "GELU", False, 1e-6, "ALIGNED_CORNERS"),
            "kSiglip": (False, False, False, 0, "GELU_TANH", True, 1e-6, "ANTIALIASED")}
        for name, family in families:
            t = s2p_model.transformer_of({"arch": name})
            self.assertEqual((t["classToken"], t["preNorm"], t["layerScale"], t["registers"],
                              t["activation"][len("ACTIVATION_"):], t["attentionPool"],
                              t["normEpsilon"],
                              t["positionResampling"][len("POSITION_RESAMPLING_"):]),
                             want[family], name)

    def test_limits_are_the_programs(self):
        table = self.read("model/backbone/architecture.cc")
        self.assertIn(f"kMaxPatches = {s2p_model.MOST_PATCHES};", table)
        self.assertIn("kMaxWeights = uint64_t{1} << 31;",
                      self.read("model/backbone/transformer_fields.cc"))
        self.assertEqual(s2p_model.MOST_WEIGHTS, 1 << 31)
        preprocessor = self.read("image/preprocessor.cc")
        for name, value in (("kWhiteGround", s2p_model.WHITE_GROUND), ("kThin", s2p_model.THIN),
                            ("kLongestPart", s2p_model.LONGEST_PART),
                            ("kLongestThinPart", s2p_model.LONGEST_THIN_PART)):
            self.assertIn(f" {name} = {value};", preprocessor)

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

    def test_thin_and_long_drawings_are_reduced_before_their_square_is_made(self):
        # FitToInkTest of tests/image/preprocessor_test.cc has the same pictures.
        for height, width, side in ((16, 65535, 2304), (2401, 300, 2304), (300, 2400, 2700),
                                    (1024, 8192, 6324), (703, 5622, 6324), (5623, 703, 6324)):
            fitted = s2p_model.fit_to_ink(np.zeros((height, width, 3), dtype=np.uint8))
            self.assertEqual(fitted.shape, (side, side, 3), (height, width))

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

    def pillow(self):
        try:
            from PIL import Image
        except ImportError:
            self.skipTest("python3-pil is not installed")
        filters = {"RESIZE_FILTER_BILINEAR": Image.Resampling.BILINEAR,
                   "RESIZE_FILTER_BICUBIC": Image.Resampling.BICUBIC,
                   "RESIZE_FILTER_LANCZOS": Image.Resampling.LANCZOS}
        self.assertEqual(set(filters), set(s2p_model.FILTERS))
        noise = np.random.default_rng(1).integers(0, 256, (61, 47, 3), dtype=np.uint8)
        return Image, noise, filters

    def test_resizing_is_pillows_for_each_filter(self):
        image, noise, filters = self.pillow()
        for name, number in filters.items():
            for width, height in ((20, 33), (47, 30), (90, 61), (13, 140), (1, 1)):
                want = np.asarray(image.fromarray(noise).resize((width, height), number))
                np.testing.assert_array_equal(s2p_model.resize(noise, width, height, name), want,
                                              f"{name} {width} {height}")

    def test_work_size_is_pillows_resize_to_the_longer_side(self):
        image, noise, filters = self.pillow()
        for name, number in filters.items():
            want = np.asarray(image.fromarray(noise).resize((31, 40), number))  # 47 * 40 / 61 = 30.8
            np.testing.assert_array_equal(s2p_model.reduce(noise, 40, name), want, name)
        self.assertIs(s2p_model.reduce(noise, 61, "RESIZE_FILTER_BICUBIC"), noise)

    def test_centre_crop_is_cut_out_of_pillows_resize(self):
        image, noise, filters = self.pillow()
        for name, number in filters.items():
            # 61 * 33 / 47 = 42.8; (42 - 23) / 2 = 9.5 rounds to the even 10, (33 - 28) / 2 = 2.5 to 2.
            whole = image.fromarray(noise).resize((33, 42), number)
            want = np.asarray(whole.crop((2, 10, 2 + 28, 10 + 23)))
            np.testing.assert_array_equal(s2p_model.resize_and_crop(noise, 33, 28, 23, name), want, name)

    def test_edges_grey_and_minima_are_pillows(self):
        image, noise, _ = self.pillow()
        from PIL import ImageFilter
        picture = image.fromarray(noise)
        np.testing.assert_array_equal(s2p_model.luma(noise), np.asarray(picture.convert("L")))
        # Pillow's copies the outermost pixels.
        np.testing.assert_array_equal(s2p_model.inverted_edges(noise),
                                      255 - np.asarray(picture.filter(ImageFilter.FIND_EDGES)))
        np.testing.assert_array_equal(s2p_model.thicken(noise, 1)[1:-1, 1:-1],
                                      np.asarray(picture.filter(ImageFilter.MinFilter(3)))[1:-1, 1:-1])

    def test_grey_of_16_bits_is_read_as_grey(self):
        image, _, _ = self.pillow()
        levels = np.array([[0, 128, 257, 32768, 65535]], dtype=np.uint16)
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "grey.png")
            image.fromarray(levels.astype(np.int32), "I").save(path)
            got = s2p_model.read_picture(path)
            np.testing.assert_array_equal(got[0], np.repeat([[0], [0], [1], [128], [255]], 3, axis=1))
            path = os.path.join(folder, "real.tiff")
            image.fromarray(levels.astype(np.float32), "F").save(path)
            with self.assertRaisesRegex(ValueError, "real.tiff: pixels are floating-point"):
                s2p_model.read_picture(path)

    def test_other_arrays_than_pixels_are_refused(self):
        for picture in (np.zeros((4, 4, 3)), np.zeros((4, 4), np.uint8), np.zeros((0, 4, 3), np.uint8)):
            with self.assertRaisesRegex(ValueError, "picture: "):
                self.preprocessor().prepare(picture)

    def test_images_of_another_size_are_refused(self):
        model = s2p_model.load(checkpoint(WORK, "transformer"))
        with self.assertRaisesRegex(ValueError, r"photos have \[n, 3, 64, 48\]"):
            model(torch.zeros(1, 3, 48, 64), "photo")


class ModelTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.model = s2p_model.load(checkpoint(WORK, "transformer"))

    def test_pictures_of_an_iterator_are_embedded_in_batches(self):
        pictures = [np.roll(s2p_model.probe_picture("sketch"), i, axis=0) for i in range(33)]
        got = self.model.embed(iter(pictures), "sketch")
        self.assertEqual(got.shape, (33, 16))
        for i in (0, 31, 32):
            np.testing.assert_allclose(got[i], self.model.embed(pictures[i:i + 1], "sketch")[0], rtol=0,
                                       atol=1e-5)

    def test_no_picture_is_an_error(self):
        with self.assertRaisesRegex(ValueError, "pictures: none"):
            self.model.embed([], "photo")

    def test_attributes_of_a_model_without_any_are_an_error(self):
        manifest = {**self.model.manifest, "attributes": [], "attributeHidden": 0}
        model = s2p_model.DualEncoder(manifest)
        with self.assertRaisesRegex(ValueError, "attributes: this model predicts none"):
            model.attribute_probabilities(torch.zeros(1, 16))

    def test_single_modality_leaves_the_model_as_it_is(self):
        model = s2p_model.load(checkpoint(WORK, "transformer"))
        picture = [s2p_model.probe_picture("photo")]
        before, names = model.embed(picture, "photo"), list(model.state_dict())
        network = s2p_model.SingleModality(model, "photo")
        with torch.no_grad():
            torch.testing.assert_close(network(model.prepare(picture, "photo"))[0], before)
            model.photo_encoder.pos_embed.mul_(-1)
        self.assertGreater(float((model.embed(picture, "photo") - before).abs().max()), 1e-3)
        self.assertEqual(list(model.state_dict()), names)
        model.train()
        s2p_model.SingleModality(model, "photo")
        self.assertTrue(all(module.training for module in model.modules()))


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

    @staticmethod
    def transformer():
        with open(os.path.join(checkpoint(WORK, "transformer"), "manifest.json"), encoding="utf-8") as file:
            return json.load(file)["backbone"]["transformer"]

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
        self.refused("sketch.thicken: '1' is not a whole number from 0 on")

    def test_values_out_of_range(self):
        for path, value, message in (
                (("photo", "height"), 0, r"photo.height: 0 is not in \[1, 1024\]"),
                (("photo", "width"), 52, "photo.width: 52 is not a multiple of 8, as vit"),
                (("photo", "mean"), [10**400, 0, 0], "photo.mean: not three numbers"),
                (("photo", "mean"), [float("nan"), 0, 0], "photo.mean: not three numbers"),
                (("photo", "std"), [1e-300, 1, 1], "photo.std: not above 0"),
                (("photo", "thicken"), -1, "photo.thicken: -1 is not a whole number from 0 on"),
                (("photo",), [], "photo: a list is not an object"),
                (("photo", "fit"), 1, "photo.fit: 1 is neither true nor false"),
                (("embedding", "dimension"), 1 << 17, "at least [0-9]+ weights, but the file holds"),
                (("attributeHidden",), 1 << 16, "at least [0-9]+ weights, but the file holds"),
                (("backbone", "transformer", "mlpWidth"), 16384, "at least [0-9]+ weights, but the"),
                (("backbone", "transformer"), {**self.transformer(), "width": 4096, "depth": 64},
                 "transformer.depth: 64 with these widths needs more than the 8 GiB"),
                (("formatVersion",), True, "formatVersion: not a number from 1 on"),
                (("goldenProbe", "photo"), 5, "goldenProbe.photo: 5 is not a list"),
                (("goldenProbe", "photo"), None, "goldenProbe.photo: None is not a list"),
                (("goldenProbe", "photo"), [10**400] * 16, "goldenProbe.photo: not a list of numbers"),
                (("goldenProbe", "photo"), [0] * 16, "goldenProbe.photo: .* similarity nan"),
                (("attributes",), ["a", "a"], r"attributes\[1\]: a duplicate name"),
                (("attributes",), ["a", ""], r"attributes\[1\]: not a name of 1 to 256 bytes"),
                (("attributes",), ["a", 5], r"attributes\[1\]: 5 is not a string"),
                (("evaluations", 0, "rank1"), 5, r"evaluations\[0\].rank1: 5 is not in \[0, 1\]"),
                (("evaluations", 1, "mAP"), float("nan"), r"evaluations\[1\].mAP: nan is not a number"),
                (("evaluations", 0, "queries"), -1, r"evaluations\[0\].queries: -1 is not a whole"),
                (("evaluations", 0, "dataset"), {}, r"evaluations\[0\].dataset: an object is not a s"),
                (("evaluations", 0), 1, r"evaluations\[0\]: 1 is not an object"),
                (("provenance", "jobId"), 5, "provenance.jobId: 5 is not a string"),
                (("provenance", "seed"), "x", "provenance.seed: 'x' is not a whole number"),
                (("provenance", "comparison"), 5, "provenance.comparison: 5 is not an object"),
                (("provenance", "comparison"), {"candidate": 2},
                 r"provenance.comparison.candidate: 2 is not in"),
                (("photo", "std"), [1, 0, 1], "photo.std: not above 0"),
                (("embedding", "grid"), 2, r"embedding.grid: 2 is not in \[0, 0\]"),
                (("embedding", "pooling"), "POOLING_MAX", "embedding.pooling: 'POOLING_MAX'"),
                (("embedding", "neck"), "", "embedding.neck: ''"),
                (("backbone", "lastStage"), 5, r"backbone.lastStage: 5 is not in \[3, 4\]"),
                (("backbone", "transformer"), None, "backbone.transformer: missing"),
                (("backbone", "transformer", "heads"), 5, "backbone.transformer.width: 32 is not a multiple of"),
                (("goldenProbe", "minCosineFp32"), 0.5, r"minCosineFp32: 0.5 is not in \[0.9, 1\]"),
                (("goldenProbe", "photo"), [1], "goldenProbe.photo: 1 values, not 16"),
                (("goldenProbe", "photo"), ["1"] * 16, "goldenProbe.photo: not a list of numbers"),
                (("goldenProbe",), [], "goldenProbe: a list is not an object"),
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

    def test_side_of_too_many_patches(self):
        self.change("backbone", "transformer", "patch", to=4)
        self.change("photo", "width", to=516)
        self.change("photo", "resizeShorter", to=516)
        self.refused("photo.width: 516 is not at most 512, as vit needs")

    def test_pictures_that_the_network_cannot_take(self):
        shutil.rmtree(self.folder)
        shutil.copytree(checkpoint(WORK, "caffe"), self.folder)
        for side in ("height", "width"):
            self.change("photo", side, to=1)
        self.refused("goldenProbe.photo: the network does not take pictures of this size")

    def test_photos_that_it_cannot_clean(self):
        self.change("photo", "fit", to=True)
        self.change("photo", "measuredGround", to=True)
        self.refused("photo.measuredGround: this file cannot clean photos, .* check=False")
        model = s2p_model.load(self.folder, check=False)
        sketches = model.embed([s2p_model.probe_picture("sketch")], "sketch")
        np.testing.assert_allclose(sketches[0], model.manifest["goldenProbe"]["sketch"], rtol=0, atol=1e-5)

    def test_json_that_is_nested_too_deeply(self):
        with open(os.path.join(self.folder, "manifest.json"), "w", encoding="utf-8") as file:
            file.write("[" * 100000)
        self.refused("manifest.json: not JSON: ")

    def test_manifest_that_is_too_long(self):
        with open(os.path.join(self.folder, "manifest.json"), "ab") as file:
            file.truncate(s2p_model.MOST_JSON_BYTES + 1)
        self.refused("manifest.json: more than 16 MiB")

    def test_file_of_another_size_is_not_read(self):
        # A sparse file of a TiB, which no memory holds.
        os.truncate(os.path.join(self.folder, "weights.safetensors"), 1 << 40)
        self.refused(r"weights.safetensors: size: 1099511627776 bytes")

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
                (tensors({"a": {**entry, "shape": [-1, -2]}}), "tensor 'a': shape: "),
                (tensors({"a": {**entry, "shape": [0, 2**70]}}), "tensor 'a': shape: "),
                (tensors({"a": {**entry, "shape": [1] * 17}}), "tensor 'a': shape: "),
                (tensors({"a": {**entry, "shape": [2.0]}}), "tensor 'a': shape: "),
                (tensors({"a": {**entry, "shape": [2**62, 2**62]}}), "tensor 'a': wrong offsets"),
                (tensors({"a": {**entry, "data_offsets": [0, None]}}), "tensor 'a': data_offsets: "),
                (tensors({"a": {**entry, "data_offsets": [0.0, 8.0]}}), "tensor 'a': data_offsets: "),
                (tensors({"a": {**entry, "data_offsets": [0]}}), "tensor 'a': data_offsets: "),
                (tensors({"a": {**entry, "dtype": []}}), "tensor 'a': type a list is neither"),
                (tensors({"a": 5}), "tensor 'a': entry: 5 is not an object"),
                (tensors({"a" * 1025: entry}), "a name of more than 1024"),
                (b"\x00\x00\x01" + b"\0" * 5 + b"[" * 65536, "header: not JSON"),
                (tensors({"a": entry, "b": entry}), "tensor 'b': wrong offsets"),
                (tensors({"a": entry}, b"\0" * 4), "tensor 'a': beyond the end"),
                (tensors({"a": entry}, b"\0" * 9), "bytes after")):
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
