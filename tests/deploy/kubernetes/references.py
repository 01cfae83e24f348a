"""Checks that what Kubernetes manifests name exists: pods, ports, Services, Secrets, ConfigMaps, claims and
files. Each returns a list of problems, one line each."""
import re

from manifests import APP, containers, name_of, of_kind, pods, selects


def selectors_below(value):
    """The label selectors anywhere below a value."""
    if isinstance(value, list):
        return [selector for item in value for selector in selectors_below(item)]
    if not isinstance(value, dict):
        return []
    found = []
    for key, item in value.items():
        if key in ("labelSelector", "podSelector") and item:
            found.append(item)
        elif key != "namespaceSelector":
            found += selectors_below(item)
    return found


def check_selectors(documents, known):
    """Each selector selects pods among `known`, each of its values some, and a workload's its own."""
    problems = []
    names = {pod.labels.get(APP) for pod in known}
    for document in documents:
        kind, name, spec = document["kind"], name_of(document), document.get("spec") or {}
        selectors = selectors_below(spec)
        if "selector" in spec:
            plain = {"matchLabels": spec["selector"]} if kind == "Service" else spec["selector"]
            selectors.append(plain)
            if "template" in spec and not selects(plain, spec["template"]["metadata"]["labels"]):
                problems.append("%s %s: does not select its own pods" % (kind, name))
        for selector in selectors:
            if not [pod for pod in known if selects(selector, pod.labels)]:
                problems.append("%s %s: %s selects no pod" % (kind, name, selector))
            for expression in selector.get("matchExpressions", []):
                problems += ["%s %s: no pod is called %s" % (kind, name, value)
                             for value in expression["values"] if value not in names]
    return problems


def port_names(found):
    return {port["name"] for pod in found for container in pod.spec["containers"]
            for port in container.get("ports", [])}


def check_ports(documents, known):
    """Services, policies, monitors and the Ingress name ports that their pods have."""
    problems = []
    numbers = {port["containerPort"] for pod in known for container in pod.spec["containers"]
               for port in container.get("ports", [])}

    def check(document, selector, ports):
        found = port_names([pod for pod in known if selects(selector, pod.labels)])
        problems.extend("%s %s: its pods have no port %s" % (document["kind"], name_of(document), port)
                        for port in ports if port not in found)

    for document in of_kind(documents, "Service"):
        if "selector" in document["spec"]:
            check(document, {"matchLabels": document["spec"]["selector"]},
                  [port["targetPort"] for port in document["spec"].get("ports", [])])
    for document in of_kind(documents, "PodMonitor"):
        check(document, document["spec"]["selector"],
              [endpoint["port"] for endpoint in document["spec"]["podMetricsEndpoints"]])
    for document in of_kind(documents, "NetworkPolicy"):
        for rule in document["spec"].get("ingress", []):
            check(document, document["spec"]["podSelector"], [port["port"] for port in rule.get("ports", [])])
        for rule in document["spec"].get("egress", []):
            problems += ["NetworkPolicy %s: nobody listens on port %s" % (name_of(document), port["port"])
                         for port in rule.get("ports", []) if port["port"] not in numbers | {53}]
    return problems


def service_ports(documents):
    return {name_of(document): {port["name"]: port["port"] for port in document["spec"].get("ports", [])}
            for document in of_kind(documents, "Service")}


def addresses(container):
    """HOST:PORT in the flags and variables of a container; hosts are Services."""
    given = dict(word.lstrip("-").split("=", 1) for word in container.get("args", []) if "=" in word)
    given.update((variable["name"], variable.get("value", "")) for variable in container.get("env", []))
    return [given[name] for name in ("server", "trainer", "S2P_SERVER") if name in given]


def check_addresses(documents, known_documents):
    """Clients call Services, and processes meet at a pod."""
    services = service_ports(known_documents)
    problems = []
    for pod, container in containers(documents):
        for address in addresses(container):
            host, _, port = address.partition(":")
            if int(port) not in services.get(host, {}).values():
                problems.append("%s: no Service listens at %s" % (pod.name, address))
        meeting_place = "%s-0.%s" % (pod.name, pod.spec.get("subdomain"))
        for variable in container.get("env", []):
            if variable["name"] == "MASTER_ADDR" and variable["value"] != meeting_place:
                problems.append("%s: no pod has the name %s" % (pod.name, variable["value"]))
    return problems


def check_services(documents, known_documents):
    """StatefulSets, subdomains, the Ingress and the autoscaler name what exists."""
    services = service_ports(known_documents)
    problems = []
    wanted = [(document, document["spec"]["serviceName"]) for document in of_kind(documents, "StatefulSet")]
    wanted += [(pod.owner, pod.spec["subdomain"]) for pod in pods(documents) if "subdomain" in pod.spec]
    for document in of_kind(documents, "Ingress"):
        for path in document["spec"]["rules"][0]["http"]["paths"]:
            service = path["backend"]["service"]
            wanted.append((document, service["name"]))
            if service["port"]["name"] not in services.get(service["name"], {}):
                problems.append("Ingress: %s has no port %s" % (service["name"], service["port"]["name"]))
    problems += ["%s: there is no Service %s" % (name_of(document), name)
                 for document, name in wanted if name not in services]
    deployments = {name_of(document) for document in of_kind(documents, "Deployment")}
    problems += ["%s: scales nothing" % name_of(document)
                 for document in of_kind(documents, "HorizontalPodAutoscaler")
                 if document["spec"]["scaleTargetRef"]["name"] not in deployments]
    return problems


def sources_of(volume, kinds=(("secret", "Secret", "secretName"), ("configMap", "ConfigMap", "name"),
                              ("persistentVolumeClaim", "PersistentVolumeClaim", "claimName"))):
    return [(kind, volume[field][name]) for field, kind, name in kinds if field in volume]


def check_sources(documents, known_documents, made):
    """Secrets, ConfigMaps and claims that pods name are in the manifests or made by the operator."""
    exist = {(document["kind"], name_of(document)) for document in known_documents} | set(made)
    problems = []
    for pod, container in containers(documents):
        wanted = [source for volume in pod.spec.get("volumes", []) for source in sources_of(volume)]
        wanted += [("ConfigMap", source["configMapRef"]["name"]) for source in container.get("envFrom", [])]
        problems += ["%s: there is no %s %s" % (pod.name, kind, name)
                     for kind, name in wanted if (kind, name) not in exist]
        volumes = {volume["name"] for volume in pod.spec.get("volumes", [])}
        volumes |= {name_of(claim) for claim in pod.owner["spec"].get("volumeClaimTemplates", [])}
        mounted = {mount["name"] for mount in container.get("volumeMounts", [])}
        problems += ["%s: the volume %s is not both there and mounted" % (pod.name, name)
                     for name in volumes ^ mounted]
        # The key files must not be readable for everyone, and s2p checks that.
        problems += ["%s: everybody may read the Secret of the volume %s" % (pod.name, volume["name"])
                     for volume in pod.spec.get("volumes", [])
                     if "secret" in volume and volume["secret"].get("defaultMode") != 0o440]
    for document in of_kind(documents, "Ingress"):
        problems += ["Ingress: there is no Secret %s" % tls["secretName"]
                     for tls in document["spec"]["tls"] if ("Secret", tls["secretName"]) not in exist]
    return problems


def check_files(documents, made):
    """Files that containers name are keys of what is mounted there."""
    data = {("ConfigMap", name_of(document)): set(document["data"])
            for document in of_kind(documents, "ConfigMap")}
    data.update(made)
    problems = []
    for pod, container in containers(documents):
        volumes = {volume["name"]: sources_of(volume) for volume in pod.spec.get("volumes", [])}
        keys = {}
        for mount in container.get("volumeMounts", []):
            for source in volumes.get(mount["name"], []):
                if source in data:
                    keys[mount["mountPath"]] = data[source]
        words = container.get("args", [])
        words = words + [variable.get("value", "") for variable in container.get("env", [])]
        for path in re.findall(r"(?:^|=)(/\S+)", "\n".join(words), re.MULTILINE):
            folder, _, name = path.rpartition("/")
            if name not in keys.get(folder, ()) and not path.startswith("/tmp/"):
                problems.append("%s: nothing puts a file at %s" % (pod.name, path))
    return problems
