#!/usr/bin/python3
"""Tests tools/export_huggingface.py with the models of export_models.py.

usage: export_huggingface_test.py BIN_DIR WORK_DIR [TEST...]
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
SCRIPT = pathlib.Path(__file__).resolve().parents[2] / "tools" / "export_huggingface.py"
sys.path.insert(0, str(SCRIPT.parent))
import export_huggingface
import s2p_model
from export_models import changed_manifest, checkpoint

WORK = None
torch.set_num_threads(1)


def read_text(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


class ExportHuggingFaceTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.out = os.path.join(self.folder, "shoes")

    def export(self, name, *arguments):
        return subprocess.run([sys.executable, str(SCRIPT), checkpoint(WORK, name), self.out, *arguments],
                              capture_output=True, text=True)

    def test_folder_holds_the_model_and_the_module_that_loads_it(self):
        result = self.export("transformer")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(sorted(os.listdir(self.out)),
                         ["LICENSE", "README.md", "config.json", "model.safetensors", "preprocessor_config.json",
                          "s2p_model.py"])
        # The folder's own copy of the module, in a process that sees nothing else of ours.
        program = ("import json, s2p_model; m = s2p_model.load('.'); print(json.dumps({k: m.embed("
                   "[s2p_model.probe_picture(k)], k)[0].tolist() for k in s2p_model.MODALITIES}))")
        result = subprocess.run([sys.executable, "-c", program], cwd=self.out, capture_output=True,
                                text=True)
        self.assertEqual(result.returncode, 0, result.stderr)
        with open(os.path.join(checkpoint(WORK, "transformer"), "manifest.json")) as file:
            probe = json.load(file)["goldenProbe"]
        for modality, got in json.loads(result.stdout).items():
            np.testing.assert_allclose(got, probe[modality], rtol=0, atol=1e-5)

    def test_preparation_is_read_from_its_own_file(self):
        self.assertEqual(self.export("transformer").returncode, 0)
        path = os.path.join(self.out, "preprocessor_config.json")
        config = json.loads(read_text(path))
        config["photo"]["thicken"] = 9
        with open(path, "w", encoding="utf-8") as file:
            json.dump(config, file)
        with self.assertRaisesRegex(s2p_model.CheckpointError,
                                    "preprocessor_config.json: photo.thicken: 9 is not in"):
            s2p_model.load(self.out)

    def test_card_says_what_the_manifest_says_and_what_it_does_not(self):
        self.assertEqual(self.export("residual").returncode, 0)
        card = read_text(os.path.join(self.out, "README.md"))
        with open(os.path.join(checkpoint(WORK, "residual"), "manifest.json")) as file:
            manifest = json.load(file)
        self.assertTrue(card.startswith("---\nlicense: unknown\n"), card[:100])
        for e in manifest["evaluations"]:
            row = (f"| {e['dataset']} | {e['split']} | {e['direction']} | {e['queries']} | {e['gallery']} "
                   f"| {100 * e['rank1']:.1f} % |")
            self.assertIn(row, card)
        for text in (manifest["provenance"]["targetDatasetSha256"],
                     manifest["provenance"]["initialWeightsSha256"],
                     manifest["provenance"]["specSha256"], "`resnet18` to stage 3",
                     "Not stated: ask the publisher", "Preset and schedule: not stated",
                     "10.0 % of the identities in the split `train` were held back",
                     "thicken dark strokes", "It sees no colours", ", ".join(map(export_huggingface.plain, manifest["attributes"]))):
            self.assertIn(text, card)
        self.assertNotIn("None", card)

    def changed(self, name):
        """A copy of a checkpoint, whose manifest is to be changed."""
        copy = os.path.join(self.folder, "7")
        shutil.copytree(checkpoint(WORK, name), copy)
        return copy

    def export_copy(self, copy):
        return subprocess.run([sys.executable, str(SCRIPT), copy, self.out], capture_output=True, text=True)

    def test_licences_of_the_module_are_in_the_folder(self):
        self.assertEqual(self.export("transformer").returncode, 0)
        licence = read_text(os.path.join(self.out, "LICENSE"))
        module = read_text(os.path.join(self.out, "s2p_model.py"))
        self.assertEqual(licence, read_text(SCRIPT.parents[1] / "LICENSE"))
        self.assertIn("Copyright (c) 2026 The sketch2photo authors", licence)
        for line in licence.splitlines()[2:]:
            self.assertIn(("# " + line).rstrip() + "\n", module)
        notices = read_text(SCRIPT.parents[1] / "THIRD_PARTY_NOTICES.md")
        pillow = notices[notices.index("The Python Imaging Library is"):notices.rindex("```")]
        self.assertIn("Secret Labs AB", pillow)
        for line in pillow.splitlines():
            self.assertIn(("# " + line).rstrip() + "\n", module)

    def test_manifest_cannot_write_the_card(self):
        copy = self.changed("transformer")
        hostile = "d |\n\n## Licence\n\nmit `x` <b> [a](b)"
        with changed_manifest(copy) as manifest:
            manifest["createdAt"] = "\n## Licence"
            manifest["version"] = hostile
            manifest["attributes"][0] = hostile
            for field in ("dataset", "split", "direction"):
                manifest["evaluations"][0][field] = hostile
            for field in ("jobId", "specSha256", "build", "initialWeightsSha256", "targetDatasetSha256"):
                manifest["provenance"][field] = hostile
            manifest["provenance"]["comparison"] = {"metric": hostile}
        result = self.export_copy(copy)
        self.assertEqual(result.returncode, 0, result.stderr)
        card = read_text(os.path.join(self.out, "README.md"))
        self.assertEqual(card.count("\n## Licence\n"), 1)
        self.assertNotIn("\nmit", card)
        self.assertNotIn("<b>", card)
        self.assertNotIn("[a](b)", card)
        self.assertIn(r"| d \| \#\# Licence mit \`x\` \<b\> \[a\](b) |", card)

    def test_long_texts_are_cut(self):
        self.assertEqual(export_huggingface.plain("x" * 201), "x" * 199 + "…")

    def test_share_that_is_left_out_is_zero(self):
        copy = self.changed("transformer")
        with changed_manifest(copy) as manifest:
            del manifest["evaluations"][0]["rank1"]
        self.assertEqual(self.export_copy(copy).returncode, 0)
        e = manifest["evaluations"][0]
        self.assertIn(f"| {e['queries']} | {e['gallery']} | 0.0 % | 0 to ",
                      read_text(os.path.join(self.out, "README.md")))

    def test_licences_of_an_earlier_version_hold(self):
        copy = self.changed("transformer")
        with changed_manifest(copy) as manifest:
            manifest["provenance"]["initialWeightsSha256"] = ""
            manifest["provenance"]["parentVersion"] = "6"
        self.assertEqual(self.export_copy(copy).returncode, 0)
        card = read_text(os.path.join(self.out, "README.md"))
        self.assertIn("Training started from version 6, whose weights' licences hold for it, too", card)
        self.assertIn("- Start: version 6 of the same store.", card)

    def test_licence_that_is_no_identifier_is_refused(self):
        result = self.export("transformer", "--license", "mit\ntags: x")
        self.assertEqual(result.returncode, 1)
        self.assertIn("--license: 'mit\\ntags: x' is no identifier", result.stderr)
        self.assertFalse(os.path.exists(self.out))

    def test_card_describes_the_data_set_that_it_is_shown(self):
        result = self.export("residual", "--dataset", os.path.join(WORK, "data", "target"), "--license",
                             "mit", "--training", "Preset shoes-resnet18, no epoch.")
        self.assertEqual(result.returncode, 0, result.stderr)
        card = read_text(os.path.join(self.out, "README.md"))
        self.assertIn("| synthetic-shoes-target (target) | train | 18 | 18 | 18 |", card)
        self.assertIn("\nlicense: mit\n", card)
        self.assertIn("Preset shoes-resnet18, no epoch.", card)
        self.assertNotIn("Preset and schedule: not stated", card)

    def test_data_set_that_it_was_not_trained_on_is_refused(self):
        other = os.path.join(self.folder, "other")
        os.mkdir(other)
        with open(os.path.join(other, "dataset.jsonl"), "w", encoding="utf-8") as file:
            file.write("{}\n")
        result = self.export("residual", "--dataset", other)
        self.assertEqual(result.returncode, 1)
        self.assertIn("other/dataset.jsonl: SHA-256 ", result.stderr)
        self.assertIn("was not trained on this", result.stderr)
        self.assertEqual(os.listdir(self.folder), ["other"])

    def test_folder_that_exists_is_not_replaced(self):
        os.mkdir(self.out)
        result = self.export("residual")
        self.assertEqual(result.returncode, 1)
        self.assertIn("exists already", result.stderr)
        self.assertEqual(os.listdir(self.out), [])

    def test_interval_is_wilsons(self):
        # Computed by hand: 76 of 115 queries.
        self.assertEqual(export_huggingface.interval(76 / 115, 115), "57 to 74 %")
        self.assertEqual(export_huggingface.interval(0, 10), "0 to 28 %")
        self.assertEqual(export_huggingface.interval(1, 10), "72 to 100 %")

    def test_steps_are_told_in_the_order_in_which_they_are_taken(self):
        spec = {**s2p_model.PREPROCESSING, "height": 96, "width": 64, "filter": "RESIZE_FILTER_LANCZOS",
                "mean": [0.5] * 3, "std": [0.25] * 3, "grey": True, "edges": True, "thicken": 2}
        first = export_huggingface.preparation({**spec, "resizeFirst": True})
        last = export_huggingface.preparation(spec)
        self.assertRegex(first, "edges; resize to 96 × 64 .*Lanczos; grey; thicken .*2 times")
        self.assertRegex(last, "edges; grey; thicken .*2 times.*; resize to 96 × 64")
        self.assertTrue(re.search(r"subtract \(0.5, 0.5, 0.5\), divide by \(0.25, 0.25, 0.25\)\.$", last))


if __name__ == "__main__":
    WORK = sys.argv[2]
    unittest.main(argv=[sys.argv[0], *sys.argv[3:]])
