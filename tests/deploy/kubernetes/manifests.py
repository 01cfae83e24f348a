"""Reads the manifests in deploy/kubernetes, and what else they have to agree with."""
import collections
import os
import re

import yaml

ROOT = os.path.abspath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../.."))
KUBERNETES = os.path.join(ROOT, "deploy/kubernetes")
APP = "app.kubernetes.io/name"

# A pod, or the template of one. `owner` is the document that it stands in.
Pod = collections.namedtuple("Pod", "owner name labels spec")


def read(*path):
    with open(os.path.join(*path)) as file:
        return file.read()


def documents_of(text):
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return [document for document in yaml.load_all(text, loader) if document]


def kustomizations(root):
    """(folder, kustomization) of each folder below `root` that has one."""
    for folder, inner, files in sorted(os.walk(root)):
        inner.sort()
        if "kustomization.yaml" in files:
            yield folder, yaml.safe_load(read(folder, "kustomization.yaml"))


def plain_documents(root):
    """The resources of all kustomizations below `root` as they are written, without patches, with the
    ConfigMaps that kustomize generates, under the names by which manifests know them."""
    documents = []
    for folder, kustomization in kustomizations(root):
        for name in kustomization.get("resources", []):
            if name.endswith(".yaml"):
                documents += documents_of(read(folder, name))
        for generator in kustomization.get("configMapGenerator", []):
            data = dict(literal.split("=", 1) for literal in generator.get("literals", []))
            data.update((name, read(folder, name)) for name in generator.get("files", []))
            documents.append({"apiVersion": "v1", "kind": "ConfigMap",
                              "metadata": {"name": generator["name"]}, "data": data})
    return documents


def of_kind(documents, *kinds):
    return [document for document in documents if document["kind"] in kinds]


def name_of(document):
    return document["metadata"]["name"]


def pods(documents):
    found = []
    for document in of_kind(documents, "Pod", "StatefulSet", "Deployment", "Job"):
        pod = document if document["kind"] == "Pod" else document["spec"]["template"]
        found.append(Pod(document, name_of(document), pod["metadata"].get("labels", {}), pod["spec"]))
    return found


def containers(documents):
    """(pod, container) of all pods."""
    return [(pod, container) for pod in pods(documents) for container in pod.spec["containers"]]


def image_of(container):
    """The name of our image that the container runs: server for registry/sketch2photo/server:1."""
    return container["image"].rsplit(":", 1)[0].rsplit("/", 1)[-1]


def selects(selector, labels):
    """Whether a label selector selects what has these labels."""
    for key, value in selector.get("matchLabels", {}).items():
        if labels.get(key) != value:
            return False
    for expression in selector.get("matchExpressions", []):
        if expression["operator"] != "In" or labels.get(expression["key"]) not in expression["values"]:
            return False
    return True


def image_environment(image):
    """The ENV of a stage of docker/Dockerfile."""
    stage = re.search(r"^FROM \w+ AS %s\n(.*?)(?=^FROM |\Z)" % image,
                      read(ROOT, "docker/Dockerfile").replace("\\\n", " "), re.MULTILINE | re.DOTALL)
    lines = re.findall(r"^ENV (.*)$", stage.group(1), re.MULTILINE)
    return dict(word.split("=", 1) for line in lines for word in line.split())


def project_version():
    return re.search(r"project\(\w+\s+VERSION ([\d.]+)", read(ROOT, "CMakeLists.txt")).group(1)
