"""Checks of Kubernetes manifests, document by document. Each takes documents, as manifests.py reads them, and
returns a list of problems, one line each."""
import re

from flags import FLAGS, given_flags, seconds, setting
from manifests import (APP, ROOT, containers, image_environment, image_of, name_of, of_kind, pods,
                       project_version, read, selects)

# Variables of containers that are no flags of ours: for CUDA and OpenMP, and of data-parallel training.
OTHER_VARIABLES = {"CUDA_CACHE_PATH", "OMP_NUM_THREADS", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"}
# The pods (by their name label) and namespaces (by their name) that may connect to a port of pods.
MAY_CONNECT = {
    ("s2p-server", "grpc"): {"s2p-web", "s2p-toolbox"},
    ("s2p-server", "http"): {"namespace monitoring"},
    ("s2p-trainer", "grpc"): {"s2p-web", "s2p-toolbox"},
    ("s2p-trainer", "http"): {"namespace monitoring"},
    ("s2p-web", "http"): {"namespace ingress-nginx", "namespace monitoring"},
}


def made_by_operators():
    """{(kind, name): keys} of what docs/kubernetes.md has its reader create."""
    made = {}
    text = read(ROOT, "docs/kubernetes.md")
    for name, options in re.findall(r"create secret generic (\S+)(.*)$", text, re.MULTILINE):
        made["Secret", name] = set(re.findall(r"--from-file=(\S+)", options))
    for name in re.findall(r"create secret tls (\S+)", text):
        made["Secret", name] = {"tls.crt", "tls.key"}
    for name, options in re.findall(r"create configmap (\S+)(.*)$", text, re.MULTILINE):
        made["ConfigMap", name] = set(re.findall(r"--from-file=(\S+)", options))
    return made


def check_flags(documents):
    """Args and S2P_ variables are flags of the program, with a value if they take one."""
    problems = []
    settings = {}
    for document in of_kind(documents, "ConfigMap"):
        # An overlay adds to one of the base.
        settings.setdefault(name_of(document), {}).update(document["data"])
    for pod, container in containers(documents):
        known = FLAGS.of_container(container)
        for flag, value in given_flags(container):
            if flag not in known:
                problems.append("%s: --%s is no flag of the program" % (pod.name, flag))
            elif known[flag][0] != (value is not None):
                problems.append("%s: --%s is given wrongly: --FLAG=VALUE, or --FLAG if it takes none" %
                                (pod.name, flag))
        variables = [variable["name"] for variable in container.get("env", [])]
        for source in container.get("envFrom", []):
            variables += settings.get(source["configMapRef"]["name"], {})
        for variable in variables:
            flag = variable[len("S2P_"):].lower().replace("_", "-")
            if not (variable.startswith("S2P_") and flag in known or variable in OTHER_VARIABLES):
                problems.append("%s: %s is no flag of the program" % (pod.name, variable))
    return problems


def check_images(documents):
    version = project_version()
    problems = []
    for pod, container in containers(documents):
        tag = container["image"].rpartition(":")[2] if ":" in container["image"] else "none"
        if tag not in (version, version + "-cuda"):
            problems.append("%s: the tag of the image is %s, not %s" % (pod.name, tag, version))
    return problems


def check_security(documents):
    """Pods have what Kubernetes's profile "restricted" asks for, and what docker-compose.yml gives containers."""
    wanted_of_pod = {"runAsNonRoot": True, "runAsUser": 10001, "runAsGroup": 10001, "fsGroup": 10001,
                     "seccompProfile": {"type": "RuntimeDefault"}}
    wanted = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True,
              "capabilities": {"drop": ["ALL"]}}
    problems = []

    def compare(name, found, expected):
        problems.extend("%s: %s is %s, not %s" % (name, key, found.get(key), value)
                        for key, value in expected.items() if found.get(key) != value)

    for pod in pods(documents):
        compare(pod.name, pod.spec.get("securityContext", {}), wanted_of_pod)
        compare(pod.name, pod.spec, {"automountServiceAccountToken": False, "enableServiceLinks": False})
    for pod, container in containers(documents):
        compare(pod.name, container.get("securityContext", {}), wanted)
        mounts = [mount["mountPath"] for mount in container.get("volumeMounts", [])]
        if "/tmp" not in mounts:
            problems.append("%s: nothing can be written below /tmp" % pod.name)
    for document in of_kind(documents, "Namespace"):
        compare("the namespace", document["metadata"].get("labels", {}),
                {"pod-security.kubernetes.io/enforce": "restricted"})
    return problems


def check_resources(documents):
    problems = []
    for pod, container in containers(documents):
        resources = container.get("resources", {})
        for kind, name in (("requests", "cpu"), ("requests", "memory"), ("limits", "memory")):
            if name not in resources.get(kind, {}):
                problems.append("%s: has no resources.%s.%s" % (pod.name, kind, name))
        for variable in container.get("env", []):
            field = variable.get("valueFrom", {}).get("resourceFieldRef")
            if field and field["resource"] not in ("requests.cpu", "limits.memory"):
                problems.append("%s: %s comes from %s" % (pod.name, variable["name"], field["resource"]))
    return problems


def check_probes(documents):
    """Liveness asks /healthz, readiness /readyz, which may be 503 for good while the store is empty."""
    paths = {"startupProbe": "/healthz", "readinessProbe": "/readyz", "livenessProbe": "/healthz"}
    problems = []
    for pod, container in containers(documents):
        if pod.owner["kind"] not in ("StatefulSet", "Deployment"):
            continue
        for kind, path in paths.items():
            get = container.get(kind, {}).get("httpGet", {})
            if get.get("path") != path or get.get("port") != "http":
                problems.append("%s: the %s does not ask for %s at the port http" % (pod.name, kind, path))
        probe = container.get("livenessProbe", {})
        patience = probe.get("periodSeconds", 10) * probe.get("failureThreshold", 3)
        if patience <= seconds(setting(container, "lame-duck")):
            problems.append("%s: the livenessProbe ends the pod during --lame-duck" % pod.name)
    return problems


def end_bound(container):
    """The seconds after SIGTERM in which the program ends by itself."""
    lame_duck = seconds(setting(container, "lame-duck"))
    if image_of(container) == "web":
        http = re.search(r"stop_deadline = absl::Seconds\((\d+)\)", read(ROOT, "daemon/http/http_server.h"))
        return lame_duck + int(http.group(1))
    overrun = re.search(r"overrun = absl::Seconds\((\d+)\)", read(ROOT, "daemon/daemon_options.h"))
    return lame_duck + seconds(setting(container, "drain")) + int(overrun.group(1))


def check_drain(documents):
    problems = []
    for pod, container in containers(documents):
        grace = pod.spec.get("terminationGracePeriodSeconds")
        if grace is None:
            problems.append("%s: has no terminationGracePeriodSeconds" % pod.name)
        elif pod.owner["kind"] in ("StatefulSet", "Deployment") and grace <= end_bound(container):
            problems.append("%s: terminationGracePeriodSeconds is %d, and the program may take %d s to end" %
                            (pod.name, grace, end_bound(container)))
    return problems


def check_replicas(documents):
    """One process for each data folder; the number of the others is the autoscaler's."""
    problems = []
    scaled = {document["spec"]["scaleTargetRef"]["name"]: document["spec"]
              for document in of_kind(documents, "HorizontalPodAutoscaler")}
    for document in of_kind(documents, "StatefulSet", "Deployment"):
        name, spec = name_of(document), document["spec"]
        if document["kind"] == "StatefulSet":
            if spec.get("replicas") != 1 or name in scaled:
                problems.append("%s: is not exactly one" % name)
            if spec.get("podManagementPolicy") != "Parallel":
                problems.append("%s: no change reaches it while it is not ready" % name)
            if "data" not in [name_of(claim) for claim in spec.get("volumeClaimTemplates", [])]:
                problems.append("%s: has no claim of its own" % name)
        elif "replicas" in spec or scaled.get(name, {}).get("minReplicas", 0) < 2:
            problems.append("%s: replicas are not the autoscaler's, at least two" % name)
        elif not [budget for budget in of_kind(documents, "PodDisruptionBudget")
                  if selects(budget["spec"]["selector"], spec["template"]["metadata"]["labels"])]:
            problems.append("%s: has no PodDisruptionBudget" % name)
    for document in of_kind(documents, "Job"):
        spec = document["spec"]
        if spec.get("completionMode") == "Indexed":
            [container] = spec["template"]["spec"]["containers"]
            [size] = [variable["value"] for variable in container["env"] if variable["name"] == "WORLD_SIZE"]
            if not spec.get("completions") == spec.get("parallelism") == int(size):
                problems.append("%s: completions, parallelism and WORLD_SIZE differ" % name_of(document))
    return problems


def check_image_ports(documents):
    """The ports of the containers are those that the images listen on."""
    problems = []
    for pod, container in containers(documents):
        if pod.owner["kind"] not in ("StatefulSet", "Deployment"):
            continue
        environment = image_environment(image_of(container))
        listens = {int(environment[name].rpartition(":")[2]) for name in ("S2P_LISTEN", "S2P_HTTP")
                   if name in environment}
        ports = {port["containerPort"] for port in container.get("ports", [])}
        if ports != listens:
            problems.append("%s: has ports %s, and the image listens on %s" %
                            (pod.name, sorted(ports), sorted(listens)))
    return problems


def check_image_folders(documents):
    """Volumes are where the images look for their folders: the root file system cannot be written."""
    problems = []
    for pod, container in containers(documents):
        if image_of(container) == "demo":
            continue
        mounts = [mount["mountPath"] for mount in container.get("volumeMounts", [])]
        problems += ["%s: %s is %s, where nothing is mounted" % (pod.name, name, folder)
                     for name, folder in image_environment(image_of(container)).items()
                     if folder.startswith("/") and folder not in mounts]
    return problems


def admitted(policies, labels, port):
    """Who may connect to a port of the pods with these labels."""
    allowed = set()
    for policy in policies:
        for rule in policy["spec"].get("ingress", []):
            if not selects(policy["spec"]["podSelector"], labels):
                continue
            if "ports" in rule and port not in [entry["port"] for entry in rule["ports"]]:
                continue
            for peer in rule.get("from", [{}]):
                allowed.update(peer_names(peer))
    return allowed


def peer_names(peer):
    if "podSelector" in peer and "namespaceSelector" not in peer:
        selector = peer["podSelector"]
        return list(selector.get("matchLabels", {}).values()) + [
            value for expression in selector.get("matchExpressions", []) for value in expression["values"]]
    if "namespaceSelector" in peer and "podSelector" not in peer:
        labels = peer["namespaceSelector"].get("matchLabels", {})
        return ["namespace " + labels.get("kubernetes.io/metadata.name", "any")]
    return ["everybody"]


def check_network(documents):
    policies = of_kind(documents, "NetworkPolicy")
    problems = []
    if not [policy for policy in policies if policy["spec"]["podSelector"] == {}
            and set(policy["spec"]["policyTypes"]) == {"Ingress", "Egress"}
            and not {"ingress", "egress"} & set(policy["spec"])]:
        problems.append("no NetworkPolicy forbids what no other allows")
    for pod, container in containers(documents):
        for port in container.get("ports", []):
            allowed = admitted(policies, pod.labels, port["name"])
            wanted = MAY_CONNECT.get((pod.labels.get(APP), port["name"]))
            if allowed != wanted:
                problems.append("%s: its port %s may be called by %s, not %s" %
                                (pod.name, port["name"], sorted(allowed), sorted(wanted or [])))
    return problems
