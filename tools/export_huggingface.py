#!/usr/bin/env python3
"""Writes a checkpoint as a folder in the form of a model repository on Hugging Face.

    tools/export_huggingface.py CHECKPOINT OUT [--dataset FOLDER]... [--license ID] [--training TEXT]

CHECKPOINT is the folder of a version, such as checkpoints/7. The program creates OUT, which must not
exist, with

    README.md                  a model card, written from the manifest
    config.json                the manifest, apart from
    preprocessor_config.json   how pictures are prepared
    model.safetensors          the weights, byte for byte
    s2p_model.py               the network in PyTorch: s2p_model.load(OUT)
    LICENSE                    that of s2p_model.py

A manifest names data sets by their digests only. With --dataset the card says what is in one: the
folder is compared with the digest, so that the card cannot name another. What neither has (the licence
of the model, the preset) the card calls not stated, unless you state it. Read the card before you
publish it. The network's embeddings of the golden probe are checked before the folder gets its name.

Needs NumPy and torch 1.13 or newer, as s2p_model.py. Nothing is uploaded.
"""

import argparse
import collections
import hashlib
import json
import math
import os
import re
import shutil
import sys
import tempfile

import s2p_model

LICENCE = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "LICENSE")
USE = """```python
import s2p_model  # from this folder; needs NumPy, torch 1.13 or newer, and Pillow for read_picture

model = s2p_model.load(".")
photos = model.embed([s2p_model.read_picture(path) for path in ["a.jpg", "b.jpg"]], "photo")
sketch = model.embed([s2p_model.read_picture("drawing.png")], "sketch"{argument})
similarity = sketch @ photos.T  # cosines; the photo with the highest comes first
```"""
SPLITS = {
    "test": "identities that were not trained on",
    "train-validation": "identities of the training split whose pairs were held back from training",
    "val": "identities of the data set's own validation split",
    "train": "identities that were trained on: no measure of accuracy on others",
}
FILTERS = {"RESIZE_FILTER_BILINEAR": "bilinear", "RESIZE_FILTER_LANCZOS": "Lanczos",
           "RESIZE_FILTER_BICUBIC": "bicubic"}
POOLINGS = {"POOLING_GLOBAL": "global average of the last stage",
            "POOLING_SUMMARY": "the vector that the network itself gives"}


def plain(text):
    """A text of a manifest or a data set, as it appears in the card: one line without markup."""
    line = re.sub(r"\s+", " ", str(text)).strip()
    line = line if len(line) <= 200 else line[:199] + "…"
    return re.sub(r"([\\|`<>\[\]#*_])", r"\\\1", "".join(c for c in line if c.isprintable()))


def quoted(text):
    """A digest or another identifier, as code."""
    return "`" + re.sub(r"[^\w.:+/-]", "", str(text))[:200] + "`"


def read_data_set(folder, manifest):
    """What a folder of a data set says, if the manifest has its digest; else ValueError."""
    path = os.path.join(folder, "dataset.jsonl")
    with open(path, "rb") as file:
        lines = file.read()
    digest = hashlib.sha256(lines).hexdigest()
    provenance = manifest.get("provenance", {})
    for role in ("target", "source"):
        if provenance.get(role + "DatasetSha256") == digest:
            break
    else:
        raise ValueError(f"{path}: SHA-256 {digest} is neither the manifest's targetDatasetSha256 nor "
                         "its sourceDatasetSha256, so the model was not trained on this")
    with open(os.path.join(folder, "dataset.json"), encoding="utf-8") as file:
        description = json.load(file)
    if not isinstance(description, dict):
        raise ValueError(f"{folder}/dataset.json: not an object")
    counts, identities = collections.Counter(), collections.defaultdict(set)
    for line in lines.decode().splitlines():
        if line.strip():
            image = json.loads(line)
            counts[image["split"], image["modality"]] += 1
            identities[image["split"]].add(image["identity"])
    return role, description, counts, identities


def data_rows(data_sets):
    for role, description, counts, identities in data_sets:
        use = "target" if role == "target" else "source, for attributes"
        for split in ("train", "val", "test"):
            if split in identities:
                yield (f"| {plain(description.get('name', ''))} ({use}) | {split} | "
                       f"{len(identities[split])} | {counts[split, 'photo']} | {counts[split, 'sketch']} |")


def interval(share, count):
    """Wilson's 95 % interval of a share, in percent."""
    z = 1.96
    middle = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z * math.sqrt(share * (1 - share) / count + (z / (2 * count)) ** 2) / (1 + z * z / count)
    return f"{100 * max(0, middle - half):.0f} to {100 * min(1, middle + half):.0f} %"


def percent(share):
    return f"{100 * share:.1f} %"


def accuracy(manifest):
    evaluations = [e for e in manifest.get("evaluations", []) if e.get("queries")]
    if not evaluations:
        return ["The checkpoint has no measurement of its accuracy."]
    lines = ["| data set | split | direction | queries | gallery | rank-1 | 95 % interval | rank-5 | "
             "rank-10 | mAP |", "|---|---|---|---|---|---|---|---|---|---|"]
    for e in evaluations:
        lines.append(
            f"| {plain(e['dataset'])} | {plain(e['split'])} | {plain(e['direction'])} | {e['queries']} | "
            f"{e['gallery']} | {percent(e['rank1'])} | {interval(e['rank1'], e['queries'])} | "
            f"{percent(e['rank5'])} | {percent(e['rank10'])} | {percent(e['mAP'])} |")
    lines += ["", "Rank-k is the share of queries with a true match among the first k; ties count "
              "against the model. mAP is the mean average precision. The interval is how far "
              "this many queries determine rank-1 (Wilson's, if queries are independent). The splits:", ""]
    last_epoch = "-last-epoch"
    for split in dict.fromkeys(e["split"] for e in evaluations):
        base = split[:-len(last_epoch)] if split.endswith(last_epoch) else split
        meaning = SPLITS.get(base, "as the data set names it")
        if base != split:
            meaning += "; of the last epoch, although an earlier one was published"
        lines.append(f"- {plain(split)}: {meaning}.")
    return lines


def training(manifest, data_sets, statement):
    provenance = manifest.get("provenance", {})
    lines = [statement, ""] if statement else []
    rows = list(data_rows(data_sets))
    if rows:
        lines += ["Only what is in the split `train` was trained on.", "",
                  "| data set | split | identities | photos | sketches |", "|---|---|---|---|---|", *rows,
                  ""]
        for _, description, _, _ in data_sets:
            for field, word in (("source", "Source"), ("licence", "Licence")):
                value = description.get(field) or "not stated"
                lines.append(f"- {word} of {plain(description.get('name', ''))}: {plain(value)}.")
    known = {role for role, *_ in data_sets}
    for role, word in (("target", "Data set"), ("source", "Source data set of attributes")):
        digest = provenance.get(role + "DatasetSha256")
        if digest and role not in known:
            lines.append(f"- {word}: the checkpoint has only the SHA-256 of its `dataset.jsonl`, "
                         f"{quoted(digest)}. Its size and licence are not stated.")
    held_back = provenance.get("validationFraction", 0)
    if held_back == 1:
        lines.append("- No pair that a person has drawn was trained on.")
    elif held_back > 0:
        lines.append(f"- {percent(held_back)} of the identities in the split `train` were held back for "
                     "validation.")
    lines.append(f"- Start: {start(provenance)}.")
    comparison = provenance.get("comparison")
    if comparison:
        lines.append(f"- Before it was published, its {plain(comparison.get('metric', ''))} was compared "
                     f"with that of version {comparison.get('publishedVersion', 0)} on identities that "
                     "neither had seen: "
                     f"{percent(comparison.get('candidate', 0))} and "
                     f"{percent(comparison.get('published', 0))}.")
    if not statement:
        lines.append("- Preset and schedule: not stated. The SHA-256 of the spec is "
                     f"{quoted(provenance.get('specSha256') or 'not stated')}.")
    lines.append(f"- Seed {provenance.get('seed', 'not stated')}, job "
                 f"{quoted(provenance.get('jobId') or 'not stated')}, program "
                 f"{plain(provenance.get('build') or 'not stated')}.")
    return lines


def has_parent(provenance):
    return int(provenance.get("parentVersion", "0")) != 0


def start(provenance):
    if provenance.get("initialWeightsSha256"):
        return ("the network below the pooling had weights from elsewhere, a file with the SHA-256 "
                f"{quoted(provenance['initialWeightsSha256'])}")
    if has_parent(provenance):
        return f"version {provenance['parentVersion']} of the same store"
    if "initialWeightsSha256" in provenance:
        return "random weights"
    return "not stated"


def network(model):
    manifest = model.manifest
    backbone, embedding = manifest["backbone"], manifest["embedding"]
    pooling = POOLINGS.get(embedding["pooling"])
    if pooling is None:
        pooling = f"means of {embedding['grid']} × {embedding['grid']} cells of the last stage"
        if embedding["fineGrid"]:
            side = embedding["fineGrid"]
            pooling += f" and of {side} × {side} cells of the one before"
    parameters = sum(p.numel() for p in model.parameters())
    steps = [f"`{backbone['arch']}` to stage {backbone['lastStage']}, "
             + ("one network for photos and sketches" if backbone["shared"] else
                "one network for photos and one for sketches"), pooling]
    if embedding["projection"]:
        steps.append(f"a linear map to {embedding['dimension']} values, with a bias for each modality")
    if model.after_neck:
        steps.append("batch norm")
    steps.append("norm 1")
    lines = ["; ".join(steps) + f". {parameters:,} parameters, float32."]
    if model.attributes:
        lines += ["", f"A head predicts {len(model.attributes)} attributes, those of the source data "
                  "set: " + ", ".join(map(plain, model.attributes)) + "."]
    return lines


def preparation(spec):
    """The steps in their order, as words."""
    size = f"{spec['height']} × {spec['width']} (height × width)"
    name = FILTERS[spec["filter"]]
    if spec["resizeShorter"]:
        resize = f"shorter side to {spec['resizeShorter']}, {name}, and the centre of {size}"
    else:
        resize = f"resize to {size}, {name}"
    steps = []
    if spec["fit"]:
        cleaned = "clean off the paper, then " if spec["measuredGround"] else ""
        steps.append(cleaned + "cut out what is darker than the white background, and centre it in a "
                     "white square")
    if spec["workSize"]:
        steps.append(f"longer side to at most {spec['workSize']}")
    if spec["edges"]:
        steps.append("replace it by its edges")
    if spec["resizeFirst"]:
        steps.append(resize)
    if spec["grey"]:
        steps.append("grey")
    if spec["thicken"]:
        passes = "" if spec["thicken"] == 1 else f", {spec['thicken']} times"
        steps.append(f"thicken dark strokes (3 × 3 minimum{passes})")
    if not spec["resizeFirst"]:
        steps.append(resize)
    numbers = ["(" + ", ".join(f"{x:g}" for x in spec[field]) + ")" for field in ("mean", "std")]
    steps.append(f"divide by 255, subtract {numbers[0]}, divide by {numbers[1]}")
    return "; ".join(steps) + "."


def limits(manifest):
    photo, sketch = manifest["photo"], manifest["sketch"]
    sets = sorted({plain(e["dataset"]) for e in manifest.get("evaluations", []) if e.get("queries")})
    if sets:
        yield (f"Its accuracy is known for {', '.join(sets)} only. For other things, other photographers "
               "and other people's drawings, measure it before you rely on it.")
    else:
        yield "Nothing is known of its accuracy: measure it before you rely on it."
    yield ("The similarity orders photos. It is not a probability, and the first photo of a gallery "
           "without the right one looks like any other.")
    if photo["grey"] and sketch["grey"]:
        yield "It sees no colours: photos and sketches are turned grey."
    if sketch["fit"] and not sketch["measuredGround"]:
        yield "Drawings must be dark strokes on a white background, not photographs of paper."
    if sketch["fit"] and sketch["measuredGround"]:
        yield ("Drawings on paper are cleaned by the programs of sketch2photo alone. `s2p_model.py` takes "
               "dark strokes on clean white, and says so by an error otherwise.")
    if photo["fit"]:
        yield ("Photos on a white background are cut to what they show; any other photo is used as it is, "
               "with what surrounds the thing.")
    for modality, spec in (("photos", photo), ("sketches", sketch)):
        if spec["resizeShorter"]:
            yield f"Only the centre of {modality} is seen."
        elif not spec["fit"]:
            yield f"The aspect ratio of {modality} is not kept."


def model_card(model, name, data_sets, licence, statement):
    manifest = model.manifest
    white = any(manifest[m]["measuredGround"] for m in s2p_model.MODALITIES)
    header = ["---", f"license: {licence or 'unknown'}", "library_name: pytorch",
              "pipeline_tag: image-feature-extraction", "tags:", "- sketch-based-image-retrieval",
              "- sketch2photo", "---"]
    licence_lines = [f"{licence}, as stated by the publisher." if licence else
                     "Not stated: ask the publisher before you use the model."]
    provenance = manifest["provenance"]
    if provenance.get("initialWeightsSha256"):
        licence_lines[0] += (" Its training started from weights of another network, whose licence "
                             "holds for it, too.")
    if has_parent(provenance):
        licence_lines[0] += (f" Training started from version {provenance['parentVersion']}, whose weights' "
                             "licences hold for it, too: see that version's card.")
    licence_lines[0] += (" `s2p_model.py` has the MIT licence (`LICENSE`), and a part of it Pillow's, which "
                         "is written there.")
    created = plain(str(manifest.get("createdAt", ""))[:10]) or "an unknown day"
    return "\n".join([
        *header, "", f"# {plain(name)}", "",
        "Finds the photo that somebody has drawn. The model turns sketches and photos into vectors of "
        f"{model.dimension} numbers; the more a photo shows what a sketch shows, the higher is their "
        "cosine similarity.", "",
        f"This folder was written by sketch2photo from version {plain(manifest.get('version'))} of a checkpoint "
        f"of {created}.", "",
        "## Use", "", USE.format(argument=", white_ground=True" if white else ""), "",
        "Loading embeds two pictures that the program draws, and compares the result with the trainer's.",
        "", "## Accuracy", "", *accuracy(manifest), "",
        "## Training", "", *training(manifest, data_sets, statement), "",
        "## Network", "", *network(model), "",
        "## Pictures", "", "| | steps, in this order |", "|---|---|",
        *(f"| {modality} | {preparation(manifest[modality])} |" for modality in s2p_model.MODALITIES),
        "", "Resizing is Pillow's, which averages when it shrinks. Other resizes, such as OpenCV's, "
        "change the embeddings.", "",
        "## Licence", "", *licence_lines, "",
        "## Limits", "", *(f"- {limit}" for limit in limits(manifest)), ""])


def write_json(path, value):
    with open(path, "w", encoding="utf-8") as out:
        json.dump(value, out, indent=1)
        out.write("\n")


def write_folder(checkpoint, folder, name, data_set_folders, licence, statement):
    model = s2p_model.load(checkpoint)
    data_sets = [read_data_set(path, model.manifest) for path in data_set_folders]
    with open(os.path.join(checkpoint, "manifest.json"), encoding="utf-8") as file:
        manifest = json.load(file)
    prepared = {modality: manifest.pop(modality) for modality in s2p_model.MODALITIES}
    write_json(os.path.join(folder, "preprocessor_config.json"),
               {"image_processor_type": "s2p_model.Preprocessor", **prepared})
    write_json(os.path.join(folder, "config.json"),
               {"model_type": "sketch2photo", "architectures": ["s2p_model.DualEncoder"],
                "torch_dtype": "float32", "manifest": manifest})
    shutil.copyfile(os.path.join(checkpoint, "weights.safetensors"),
                    os.path.join(folder, "model.safetensors"))
    shutil.copyfile(s2p_model.__file__, os.path.join(folder, "s2p_model.py"))
    shutil.copyfile(LICENCE, os.path.join(folder, "LICENSE"))
    with open(os.path.join(folder, "README.md"), "w", encoding="utf-8") as out:
        out.write(model_card(model, name, data_sets, licence, statement))
    s2p_model.load(folder)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("checkpoint", help="folder of a version, such as checkpoints/7")
    parser.add_argument("output", help="the folder to make")
    parser.add_argument("--name", help="the card's title; without it the output's name")
    parser.add_argument("--dataset", action="append", default=[],
                        help="folder of a data set that the model was trained on; repeat for several")
    parser.add_argument("--license", help="the model's, as an identifier of Hugging Face")
    parser.add_argument("--training", help="how it was trained, for the card: preset, epochs, pairs")
    arguments = parser.parse_args()
    if arguments.license and not re.fullmatch(r"[a-z0-9.-]+", arguments.license):
        sys.exit(f"export_huggingface: --license: {arguments.license!r} is no identifier of Hugging Face, "
                 "such as mit or cc-by-nc-4.0")
    output = os.path.abspath(arguments.output)
    if os.path.lexists(output):
        sys.exit(f"export_huggingface: {arguments.output}: exists already, and is not replaced")
    temporary = None
    try:
        temporary = tempfile.mkdtemp(dir=os.path.dirname(output), prefix=".export_huggingface.")
        write_folder(arguments.checkpoint, temporary, arguments.name or os.path.basename(output),
                     arguments.dataset, arguments.license, arguments.training)
        os.chmod(temporary, 0o755)
        os.rename(temporary, output)
    except (OSError, ValueError, KeyError) as error:
        sys.exit(f"export_huggingface: {error}")
    finally:
        if temporary:
            shutil.rmtree(temporary, ignore_errors=True)
    print(f"{arguments.output}: read README.md before you publish it")


if __name__ == "__main__":
    main()
