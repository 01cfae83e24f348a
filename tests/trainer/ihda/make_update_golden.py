#!/usr/bin/env python3
"""Makes tests/data/golden/updates.safetensors: four updates of either step, by either recipe.

    tests/trainer/ihda/make_update_golden.py FILE

An implementation of its own, in PyTorch: two ResNet-18s to their third stage, projection, neck and
heads, the terms of the paper (F. Yang et al., IEEE TMM 2020, eq. 1-9) and those of its authors'
program, the deals, the schedules and Adam. Weights and pictures follow from their names (`values`),
so that only results are stored.

RECIPE STEP/UPDATE/... has the images of the batch, the terms, the reversal's coefficient and the
rate; of the gradient of each part its norm and its product with values of the part's name; and
after the update, how far the part's weights are from where they began and the product of its batch
norms' statistics, likewise. The updates are those of two epochs in which the schedules change:
the paper's first and second, and for the authors' program the last that Market-1501's trainer
trains at half the rate, of step 1, and the first at which PKU-Sketch's decays, of step 2. Dropout
is off.

initial/RECIPE/... has the spread with which the weights of the heads begin, and padded the picture
of which the authors' data loaders cut a random part.
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

# The epochs that are trained, and how many the step has.
EPOCHS = {("paper", 1): ((0, 1), 2), ("paper", 2): ((0, 1), 2),
          ("release", 1): ((101, 102), 121), ("release", 2): ((31, 32), 101)}
TRIPLET_FROM_EPOCH = 32
PAIRS, MOST_PAIRS, SOURCE_IDENTITIES, IMAGES_OF_ONE, SIDE_BY_SIDE = 9, 6, 4, 4, 2
ATTRIBUTES, DIMENSION = 3, 16
WEIGHTS = {"identity": 1.5, "triplet": 0.7, "attribute": 0.2, "attribute_entropy": 0.3, "consistency": 0.4,
           "domain": 0.6, "contrastive": 0.8}
RATE, TEMPERATURE, MARGIN, STEP1_ATTRIBUTES = 1e-5, 0.1, 0.3, 10
ENCODER_RATE = {("paper", 1): 1, ("paper", 2): 1, ("release", 1): 0.3, ("release", 2): 0.2}
SMOOTHING = {"paper": 0, "release": 0.1}
HEADS = ("attribute_head", "domain_classifier", "identity_classifier")
PARTS = ("photo_encoder", "sketch_encoder", "projection", "neck") + HEADS


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


def heads(recipe, identities):
    """C_att, C_d and C_id as they begin: the paper's dense layers as PyTorch makes them."""
    width = 512 if recipe == "paper" else 128
    classifier = nn.Linear(DIMENSION, identities)
    nn.init.normal_(classifier.weight, 0, 0.001)
    nn.init.zeros_(classifier.bias)
    made = {
        "attribute_head": head(width, ATTRIBUTES, recipe, dropout=True),
        "domain_classifier": head(width, 3, recipe, dropout=False),
        "identity_classifier": (nn.Sequential(classifier) if recipe == "paper" else
                                nn.Sequential(nn.Dropout(0.7), classifier)),
    }
    if recipe == "release":
        for part in ("attribute_head", "domain_classifier"):
            for layer in made[part]:
                if isinstance(layer, nn.Linear):
                    nn.init.kaiming_normal_(layer.weight, a=0, mode="fan_out")
                    nn.init.zeros_(layer.bias)
    return made


class Networks(nn.Module):
    def __init__(self, recipe, identities):
        super().__init__()
        self.photo_encoder, self.sketch_encoder = Encoder(), Encoder()
        self.projection = Projection()
        self.neck = nn.BatchNorm1d(DIMENSION)
        self.neck.bias.requires_grad = False
        for part, layers in heads(recipe, identities).items():
            setattr(self, part, layers)
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


def deals(step, epoch):
    """The batches of an epoch: in step 1 all images, in step 2 all pairs, in as few batches as hold
    them, of nearly equal size."""
    if step == 1:
        order = [0, 1, 2, 3] if epoch % 2 == 0 else [2, 0, 1, 3]
        return [{"source": [identity * IMAGES_OF_ONE + image for identity in range(SOURCE_IDENTITIES)
                            for image in order[first:first + SIDE_BY_SIDE]]}
                for first in range(0, IMAGES_OF_ONE, SIDE_BY_SIDE)]
    order = [(2 * i + epoch) % PAIRS for i in range(PAIRS)]
    batches = math.ceil(PAIRS / MOST_PAIRS)
    dealt = []
    for batch in range(batches):
        photos = order[batch * PAIRS // batches:(batch + 1) * PAIRS // batches]
        source = [identity * IMAGES_OF_ONE + (epoch + batch + identity) % IMAGES_OF_ONE
                  for identity in range(SOURCE_IDENTITIES)]
        dealt.append({"photo": photos, "sketch": [PAIRS - 1 - photo for photo in photos], "source": source})
    return dealt


def images(name, count, chosen):
    return values(name, count, 3, 32, 32)[chosen]


def source_of(deal):
    """Source photos, their identities and their attributes."""
    count = SOURCE_IDENTITIES * IMAGES_OF_ONE
    attributes = (values("attributes", count, ATTRIBUTES) > 0).double()[deal["source"]]
    labels = torch.tensor([image // IMAGES_OF_ONE for image in deal["source"]])
    return images("source", count, deal["source"]), labels, attributes


def step1_terms(networks, recipe, deal, place, coefficient):
    del place, coefficient
    pictures, labels, targets = source_of(deal)
    stage3, v = networks.embed(pictures, "photo")
    terms = {}
    terms["identity"] = F.cross_entropy(networks.identity_classifier(networks.neck(v)), labels,
                                        label_smoothing=SMOOTHING[recipe])
    terms["triplet"] = hardest(v, labels, v, labels, squared=False)
    if recipe == "release":
        terms["triplet"] = terms["triplet"] + hardest(stage3, labels, stage3, labels, squared=False)
    terms["attribute"] = attribute_loss(networks.attribute_head(v), targets, recipe)
    features = networks.features(v)
    terms["contrastive"] = contrastive(features[0::SIDE_BY_SIDE], features[1::SIDE_BY_SIDE])
    return terms


def step2_terms(networks, recipe, deal, place, coefficient):
    photo3, photo = networks.embed(images("photos", PAIRS, deal["photo"]), "photo")
    sketch3, sketch = networks.embed(images("sketches", PAIRS, deal["sketch"]), "sketch")
    pictures, _, targets = source_of(deal)
    _, source = networks.embed(pictures, "photo")
    labels = torch.tensor(deal["photo"])
    pairs = len(labels)
    both = torch.cat([labels, labels])
    terms = {}
    logits = networks.identity_classifier(networks.neck(torch.cat([photo, sketch])))
    if recipe == "paper":
        terms["identity"] = F.cross_entropy(logits[:pairs], labels) + F.cross_entropy(logits[pairs:], labels)
        terms["triplet"] = hardest(sketch, labels, photo, labels, squared=True)
    else:
        terms["identity"] = F.cross_entropy(logits, both, label_smoothing=SMOOTHING[recipe])
    if recipe == "release" and place["epoch"] >= TRIPLET_FROM_EPOCH:
        at_stage3, at_embedding = torch.cat([photo3, sketch3]), torch.cat([photo, sketch])
        terms["triplet"] = (hardest(at_stage3, both, at_stage3, both, squared=False) +
                            hardest(at_embedding, both, at_embedding, both, squared=False))
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
    terms["contrastive"] = contrastive(features[:pairs], features[pairs:])
    return terms


def coefficient_of(recipe, place):
    done = ((place["epoch"] + (place["batch"] + 1) / place["batches"]) / place["epochs"]
            if recipe == "paper" else place["update"] / 10000)
    return 2 / (1 + math.exp(-10 * done)) - 1


def market_rate(epoch):
    """The adjust_learning_rate of the release's engine/market_tainer.py."""
    if epoch <= 10:
        return RATE * (epoch + 1)
    for last, factor in ((30, 1), (60, 0.1), (80, 1), (100, 0.5)):
        if epoch <= last:
            return RATE * factor
    return RATE * 0.1


def pku_rate(epoch):
    """The same of engine/pku_market_trainer.py."""
    if epoch <= 10:
        return RATE * (epoch + 1) / 11
    return RATE if epoch <= 30 else RATE * 0.8 ** (epoch / 10)


def rate_of(recipe, step, place):
    """The paper's: an epoch of warm-up, then half a cosine. The release's trainers set the rate after
    each epoch."""
    if recipe == "release":
        return (market_rate if step == 1 else pku_rate)(place["epoch"] - 1)
    position = place["epoch"] + (place["batch"] + 1) / place["batches"]
    if position < 1:
        return RATE * position
    return RATE * 0.5 * (1 + math.cos(math.pi * (position - 1) / (place["epochs"] - 1)))


def sums(named):
    """The norm of some tensors, and their product with values of their names."""
    return (math.sqrt(sum(tensor.pow(2).sum().item() for _, tensor in named)),
            sum((tensor * values("along " + name, *tensor.shape)).sum().item() for name, tensor in named))


def keep_gradients(networks, at, results):
    for part in PARTS:
        norm, product = sums([(part + "." + name, parameter.grad)
                              for name, parameter in getattr(networks, part).named_parameters()
                              if parameter.grad is not None])
        if norm > 0:
            results[at + "gradient/norm/" + part], results[at + "gradient/product/" + part] = norm, product


def keep_state(networks, at, results):
    """Biases are left out: the gradient of one ahead of a batch norm is nothing but rounding, which
    Adam makes steps of."""
    for part in PARTS:
        moved = []
        for name, parameter in getattr(networks, part).named_parameters():
            name = part + "." + name
            if not name.endswith("bias"):
                moved.append((name, parameter.detach() - weights(name, parameter.shape)))
        norm, product = sums(moved)
        if norm > 0:
            results[at + "moved/norm/" + part], results[at + "moved/product/" + part] = norm, product
        statistics = [(part + "." + name, buffer) for name, buffer in getattr(networks, part).named_buffers()
                      if buffer.is_floating_point()]
        if statistics:
            results[at + "statistics/" + part] = sums(statistics)[1]


def run(recipe, step, results):
    networks = Networks(recipe, SOURCE_IDENTITIES if step == 1 else PAIRS)
    encoders = [p for name, p in networks.named_parameters() if "encoder" in name]
    others = [p for name, p in networks.named_parameters() if "encoder" not in name and p.requires_grad]
    adam = torch.optim.Adam([{"params": others}, {"params": encoders}], lr=RATE,
                            betas=(0.9 if recipe == "paper" else 0.5, 0.999))
    factors = dict(WEIGHTS, attribute=WEIGHTS["attribute"] * (STEP1_ATTRIBUTES if step == 1 else 1))
    trained, epochs = EPOCHS[recipe, step]
    update = 0
    for epoch in trained:
        dealt = deals(step, epoch)
        for batch, deal in enumerate(dealt):
            place = {"epoch": epoch, "epochs": epochs, "batch": batch, "batches": len(dealt),
                     "update": epoch * len(dealt) + batch + 1}
            at = "%s%d/%d/" % (recipe, step, update)
            for part, chosen in deal.items():
                results[at + "images/" + part] = chosen
            coefficient, rate = coefficient_of(recipe, place), rate_of(recipe, step, place)
            terms = (step1_terms if step == 1 else step2_terms)(networks, recipe, deal, place, coefficient)
            adam.zero_grad()
            sum(factors[name] * term for name, term in terms.items()).backward()
            for name, term in terms.items():
                results[at + "term/" + name] = term.item()
            results[at + "coefficient"], results[at + "rate"] = coefficient, rate
            keep_gradients(networks, at, results)
            for group, factor in zip(adam.param_groups, (1, ENCODER_RATE[recipe, step])):
                group["lr"] = rate * factor
            adam.step()
            keep_state(networks, at, results)
            update += 1


def keep_initial_values(recipe, results):
    """The standard deviation and the mean distance from 0 of each tensor, over many heads."""
    torch.manual_seed(1)
    drawn = {}
    for _ in range(200):
        for part, layers in heads(recipe, SOURCE_IDENTITIES).items():
            for name, parameter in layers.named_parameters():
                drawn.setdefault(part + "." + name, []).append(parameter.detach().double())
    for name, tensors in drawn.items():
        both = torch.stack(tensors)
        results["initial/%s/%s" % (recipe, name)] = [both.std().item(), both.abs().mean().item()]


def keep_padding(results):
    """A picture, and with the black that the release's transforms.Pad(2) puts around it."""
    picture = (128 + 100 * values("padding", 8, 6)).long()
    results["picture"], results["padded"] = picture.tolist(), F.pad(picture, (2, 2, 2, 2)).tolist()


def main():
    torch.set_num_threads(1)
    results = {}
    for recipe in ("paper", "release"):
        for step in (1, 2):
            run(recipe, step, results)
        keep_initial_values(recipe, results)
    keep_padding(results)
    header, content = {}, b""
    for name in sorted(results):
        tensor = numpy.atleast_1d(numpy.array(results[name]))
        kept = {"i": ("I64", "<i8"), "f": ("F64", "<f8")}[tensor.dtype.kind]
        block = tensor.astype(kept[1]).tobytes()
        header[name] = {"dtype": kept[0], "shape": list(tensor.shape),
                        "data_offsets": [len(content), len(content) + len(block)]}
        content += block
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(sys.argv[1], "wb") as out:
        out.write(struct.pack("<Q", len(text)) + text + content)


if __name__ == "__main__":
    main()
