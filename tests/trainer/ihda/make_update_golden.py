#!/usr/bin/env python3
"""Makes tests/data/golden/updates.safetensors: four updates of either step, by either recipe.

    tests/trainer/ihda/make_update_golden.py FILE

An implementation of its own, in PyTorch: two ResNet-18s to their third stage, projection, neck and
heads, the terms of the paper (F. Yang et al., IEEE TMM 2020, eq. 1-9) and those of its authors'
program, the reversal's schedules and Adam. Weights and pictures follow from their names
(`values`), so that only results are stored: of each update the terms, the reversal's coefficient,
the rate, and of the gradient of each part its norm and its product with values of the part's name.
The attribute head's dropout is off, and the release's identity term, whose dropout nothing else
repeats.
"""
import hashlib
import json
import math
import struct
import sys

import numpy
import torch
from torch import nn
from torch.nn import functional as F

UPDATES, BATCHES = 4, 2
EPOCHS = UPDATES // BATCHES
IDENTITIES, ATTRIBUTES, DIMENSION = 4, 3, 16
WEIGHTS = {"identity": 1.5, "triplet": 0.7, "attribute": 0.2, "attribute_entropy": 0.3, "consistency": 0.4,
           "domain": 0.6, "contrastive": 0.8}
RATE, TEMPERATURE, MARGIN, STEP1_ATTRIBUTES = 1e-6, 0.1, 0.3, 10
PARTS = ("photo_encoder", "sketch_encoder", "projection", "neck", "attribute_head", "domain_classifier",
         "identity_classifier")


def values(name, *shape):
    """Numbers in [-1, 1) that follow from the name: SplitMix64 of its hash plus their index."""
    count = math.prod(shape)
    first = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big")
    with numpy.errstate(over="ignore"):
        z = numpy.uint64(first) + numpy.arange(count, dtype=numpy.uint64) * numpy.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> numpy.uint64(30))) * numpy.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> numpy.uint64(27))) * numpy.uint64(0x94D049BB133111EB)
        z = z ^ (z >> numpy.uint64(31))
    numbers = (z >> numpy.uint64(40)).astype(numpy.float64) / 2.0**23 - 1
    return torch.from_numpy(numbers.reshape(shape))


def weights(name, shape):
    if len(shape) > 1:
        return values(name, *shape) * math.sqrt(6 / math.prod(shape[1:]))
    return values(name, *shape) * 0.1 + (1 if name.endswith("weight") else 0)


class Block(nn.Module):
    def __init__(self, channels, width, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.downsample = None
        if stride > 1:
            self.downsample = nn.Sequential(nn.Conv2d(channels, width, 1, stride, bias=False),
                                            nn.BatchNorm2d(width))

    def forward(self, x):
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(y + (x if self.downsample is None else self.downsample(x)))


class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.layer1 = nn.Sequential(Block(64, 64, 1), Block(64, 64, 1))
        self.layer2 = nn.Sequential(Block(64, 128, 2), Block(128, 128, 1))
        self.layer3 = nn.Sequential(Block(128, 256, 2), Block(256, 256, 1))

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(x))), 3, 2, 1)
        return self.layer3(self.layer2(self.layer1(x))).mean((2, 3))


class Projection(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(DIMENSION, 256))
        self.photo_bias = nn.Parameter(torch.empty(DIMENSION))
        self.sketch_bias = nn.Parameter(torch.empty(DIMENSION))


def head(width, outputs, recipe, dropout):
    """Three dense layers: with ReLU for the paper, with the layers of the authors' program for it."""
    layers = []
    for inputs in (DIMENSION, width):
        layers += [nn.Linear(inputs, width)]
        if recipe == "paper":
            layers += [nn.ReLU()]
        else:
            layers += [nn.BatchNorm1d(width), nn.LeakyReLU(0.1)] + [nn.Dropout(0.5)] * dropout
    return nn.Sequential(*layers, nn.Linear(width, outputs))


class Networks(nn.Module):
    def __init__(self, recipe):
        super().__init__()
        width = 512 if recipe == "paper" else 128
        self.photo_encoder, self.sketch_encoder = Encoder(), Encoder()
        self.projection = Projection()
        self.neck = nn.BatchNorm1d(DIMENSION)
        self.neck.bias.requires_grad = False
        self.attribute_head = head(width, ATTRIBUTES, recipe, dropout=True)
        self.domain_classifier = head(width, 3, recipe, dropout=False)
        classifier = nn.Linear(DIMENSION, IDENTITIES)
        self.identity_classifier = (nn.Sequential(classifier) if recipe == "paper" else
                                    nn.Sequential(nn.Dropout(0.7), classifier))
        for name, parameter in self.named_parameters():
            parameter.data = weights(name, parameter.shape)
        self.double()
        for module in self.modules():
            if isinstance(module, nn.Dropout):
                module.eval()

    def embed(self, images, modality):
        """The third stage's average, and the embedding."""
        stage3 = (self.sketch_encoder if modality == "sketch" else self.photo_encoder)(images)
        bias = self.projection.sketch_bias if modality == "sketch" else self.projection.photo_bias
        return stage3, F.linear(stage3, self.projection.weight, bias)

    def features(self, embedding):
        return F.normalize(self.neck(embedding))


class Reversal(torch.autograd.Function):
    @staticmethod
    def forward(context, x, coefficient):
        context.coefficient = coefficient
        return x.view_as(x)

    @staticmethod
    def backward(context, gradient):
        return -context.coefficient * gradient, None


def hardest(anchors, labels, candidates, candidate_labels, squared):
    """Mean hinge of the farthest positive and the nearest negative of each anchor."""
    distances = (anchors[:, None] - candidates[None]).pow(2).sum(2)
    if not squared:
        distances = distances.clamp_min(1e-12).sqrt()
    same = labels[:, None] == candidate_labels[None]
    farthest = distances.masked_fill(~same, -math.inf).max(1).values
    nearest = distances.masked_fill(same, math.inf).min(1).values
    return F.relu(farthest - nearest + MARGIN).mean()


def attribute_loss(logits, targets, recipe):
    losses = F.binary_cross_entropy(torch.sigmoid(logits), targets, reduction="none")
    return losses.sum(1).mean() if recipe == "paper" else losses.mean()


def entropy(logits, recipe):
    p = torch.sigmoid(logits)
    if recipe == "paper":
        return -(p * p.log()).sum(1).mean()
    return -(p * torch.log2(p + 1e-6)).sum(1).mean() / math.log2(ATTRIBUTES)


def contrastive(a, b):
    logits = a @ b.t() / TEMPERATURE
    labels = torch.arange(len(a))
    return (F.cross_entropy(logits, labels) + F.cross_entropy(logits.t(), labels)) / 2


def step1_terms(networks, recipe, place, coefficient):
    del place, coefficient
    stage3, v = networks.embed(values("source", 2 * IDENTITIES, 3, 32, 32), "photo")
    labels = torch.arange(IDENTITIES).repeat_interleave(2)
    terms = {}
    if recipe == "paper":
        terms["identity"] = F.cross_entropy(networks.identity_classifier(networks.neck(v)), labels)
    terms["triplet"] = hardest(v, labels, v, labels, squared=False)
    if recipe == "release":
        terms["triplet"] = terms["triplet"] + hardest(stage3, labels, stage3, labels, squared=False)
    targets = (values("attributes", 2 * IDENTITIES, ATTRIBUTES) > 0).double()
    terms["attribute"] = attribute_loss(networks.attribute_head(v), targets, recipe)
    features = networks.features(v)
    terms["contrastive"] = contrastive(features[0::2], features[1::2])
    return terms


def step2_terms(networks, recipe, place, coefficient):
    photo3, photo = networks.embed(values("photos", IDENTITIES, 3, 32, 32), "photo")
    sketch3, sketch = networks.embed(values("sketches", IDENTITIES, 3, 32, 32), "sketch")
    _, source = networks.embed(values("source", 2 * IDENTITIES, 3, 32, 32), "photo")
    labels = torch.arange(IDENTITIES)
    both = torch.cat([labels, labels])
    terms = {}
    if recipe == "paper":
        logits = networks.identity_classifier(networks.neck(torch.cat([photo, sketch])))
        terms["identity"] = (F.cross_entropy(logits[:IDENTITIES], labels) +
                             F.cross_entropy(logits[IDENTITIES:], labels))
        terms["triplet"] = hardest(sketch, labels, photo, labels, squared=True)
    elif place["epoch"] >= 1:
        at_stage3, at_embedding = torch.cat([photo3, sketch3]), torch.cat([photo, sketch])
        terms["triplet"] = (hardest(at_stage3, both, at_stage3, both, squared=False) +
                            hardest(at_embedding, both, at_embedding, both, squared=False))
    targets = (values("attributes", 2 * IDENTITIES, ATTRIBUTES) > 0).double()
    terms["attribute"] = attribute_loss(networks.attribute_head(source), targets, recipe)
    of_photo, of_sketch = networks.attribute_head(photo), networks.attribute_head(sketch)
    terms["attribute_entropy"] = entropy(of_photo, recipe) + entropy(of_sketch, recipe)
    difference = torch.sigmoid(of_photo) - torch.sigmoid(of_sketch)
    terms["consistency"] = (difference.norm(dim=1) if recipe == "paper" else difference.pow(2)).mean()
    # Each domain in a pass of its own: the release's batch norms see one at a time.
    logits = [networks.domain_classifier(Reversal.apply(v, coefficient)) for v in (source, photo, sketch)]
    domains = [torch.full((len(part),), i) for i, part in enumerate(logits)]
    if recipe == "paper":
        terms["domain"] = sum(F.cross_entropy(part, domain) for part, domain in zip(logits, domains))
    else:
        terms["domain"] = -F.cross_entropy(torch.softmax(torch.cat(logits), 1), torch.cat(domains))
    features = networks.features(torch.cat([sketch, photo]))
    terms["contrastive"] = contrastive(features[:IDENTITIES], features[IDENTITIES:])
    return terms


def coefficient_of(recipe, place):
    done = ((place["epoch"] + (place["batch"] + 1) / BATCHES) / EPOCHS if recipe == "paper" else
            place["update"] / 10000)
    return 2 / (1 + math.exp(-10 * done)) - 1


def rate_of(recipe, step, place):
    """The paper's: an epoch of warm-up, then half a cosine. The release's: its first epochs."""
    if recipe == "paper":
        position = place["epoch"] + (place["batch"] + 1) / BATCHES
        if position < 1:
            return RATE * position
        return RATE * 0.5 * (1 + math.cos(math.pi * (position - 1) / (EPOCHS - 1)))
    return RATE


def run(recipe, step, results):
    networks = Networks(recipe)
    encoders = [p for name, p in networks.named_parameters() if "encoder" in name]
    heads = [p for name, p in networks.named_parameters() if "encoder" not in name and p.requires_grad]
    adam = torch.optim.Adam([{"params": heads}, {"params": encoders}], lr=RATE,
                            betas=(0.9 if recipe == "paper" else 0.5, 0.999))
    for update in range(UPDATES):
        place = {"epoch": update // BATCHES, "batch": update % BATCHES, "update": update + 1}
        coefficient, rate = coefficient_of(recipe, place), rate_of(recipe, step, place)
        terms = (step1_terms if step == 1 else step2_terms)(networks, recipe, place, coefficient)
        factors = dict(WEIGHTS, attribute=WEIGHTS["attribute"] * (STEP1_ATTRIBUTES if step == 1 else 1))
        adam.zero_grad()
        sum(factors[name] * term for name, term in terms.items()).backward()
        at = "%s%d/%d/" % (recipe, step, update)
        for name, term in terms.items():
            results[at + "term/" + name] = term.item()
        results[at + "coefficient"], results[at + "rate"] = coefficient, rate
        for part in PARTS:
            gradients = [(part + "." + name, p.grad) for name, p in getattr(networks, part).named_parameters()
                         if p.grad is not None]
            if all(g.count_nonzero() == 0 for _, g in gradients):
                continue
            results[at + "norm/" + part] = math.sqrt(sum(g.pow(2).sum().item() for _, g in gradients))
            results[at + "product/" + part] = sum((g * values("along " + name, *g.shape)).sum().item()
                                                  for name, g in gradients)
        for group in adam.param_groups:
            group["lr"] = rate
        adam.step()


def main():
    torch.set_num_threads(1)
    results = {}
    for recipe in ("paper", "release"):
        for step in (1, 2):
            run(recipe, step, results)
    header, content = {}, b""
    for name in sorted(results):
        header[name] = {"dtype": "F64", "shape": [1], "data_offsets": [len(content), len(content) + 8]}
        content += struct.pack("<d", results[name])
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(sys.argv[1], "wb") as out:
        out.write(struct.pack("<Q", len(text)) + text + content)


if __name__ == "__main__":
    main()
