"""All checks of Kubernetes manifests together."""
import os

import checks
import references
from keys import check_keys
from manifests import kustomizations, plain_documents, pods


def problems_of(documents, known_documents):
    """The problems that all checks find. `known_documents` has the pods and Services that documents may name."""
    known = pods(known_documents)
    made = checks.made_by_operators()
    found = check_keys(documents)
    if found:
        # The others rely on these keys.
        return found
    for check in (checks.check_flags, checks.check_images, checks.check_image_ports, checks.check_image_folders,
                  checks.check_security, checks.check_resources, checks.check_probes, checks.check_drain,
                  checks.check_replicas):
        found += check(documents)
    found += references.check_selectors(documents, known)
    found += references.check_ports(documents, known)
    found += references.check_addresses(documents, known_documents)
    found += references.check_services(documents, known_documents)
    found += references.check_sources(documents, known_documents, made)
    return found + references.check_files(documents, made)


def problems_below(root):
    """The problems of the manifests below a folder, as they are written."""
    documents = plain_documents(root)
    return problems_of(documents, documents) + checks.check_network(documents)


def unused_files(root):
    """Files that no kustomization names."""
    used, found = set(), set()
    for folder, kustomization in kustomizations(root):
        names = kustomization.get("resources", []) + [
            patch["path"] for patch in kustomization.get("patches", [])]
        for generator in kustomization.get("configMapGenerator", []):
            names += generator.get("files", [])
        used.update(os.path.normpath(os.path.join(folder, name)) for name in names)
    for folder, _, files in os.walk(root):
        found.update(os.path.join(folder, name) for name in files if name != "kustomization.yaml")
    return sorted(os.path.relpath(path, root) for path in found - used)
