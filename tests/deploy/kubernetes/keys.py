"""The keys that the manifests in deploy/kubernetes use, kind by kind.

Kubernetes ignores a key that it does not know, or refuses it on the cluster, and kubectl renders it without
a word. Therefore a key that is not listed here is a problem: a slip, or to be added after a look at the
reference of Kubernetes.
"""
ANY = None


def keys(words, **inner):
    """A mapping that may have these keys with any values, and those of `inner` as it says."""
    return {**{word: ANY for word in words.split()}, **inner}


META = keys("name namespace labels annotations")
SELECTOR = keys("matchLabels", matchExpressions=[keys("key operator values")])
PROBE = keys("periodSeconds timeoutSeconds failureThreshold", httpGet=keys("path port"))
FIELD = keys("", resourceFieldRef=keys("resource"))
CONTAINER = keys(
    "name image command args",
    env=[keys("name value", valueFrom=FIELD)],
    envFrom=[keys("", configMapRef=keys("name"))],
    ports=[keys("name containerPort")],
    startupProbe=PROBE, readinessProbe=PROBE, livenessProbe=PROBE,
    resources=keys("", requests=keys("cpu memory"), limits=keys("memory nvidia.com/gpu")),
    securityContext=keys("allowPrivilegeEscalation readOnlyRootFilesystem", capabilities=keys("drop")),
    # Not subPath: a file that is mounted so is never replaced by a new key or certificate.
    volumeMounts=[keys("name mountPath readOnly")])
VOLUME = keys("name", persistentVolumeClaim=keys("claimName"), secret=keys("secretName defaultMode"),
              configMap=keys("name"), emptyDir=keys("sizeLimit"))
TERM = keys("topologyKey", labelSelector=SELECTOR)
AFFINITY = keys("", requiredDuringSchedulingIgnoredDuringExecution=[TERM],
                preferredDuringSchedulingIgnoredDuringExecution=[keys("weight", podAffinityTerm=TERM)])
POD = keys(
    "automountServiceAccountToken enableServiceLinks terminationGracePeriodSeconds restartPolicy subdomain "
    "activeDeadlineSeconds",
    securityContext=keys("runAsNonRoot runAsUser runAsGroup fsGroup fsGroupChangePolicy",
                         seccompProfile=keys("type")),
    affinity=keys("", podAffinity=AFFINITY, podAntiAffinity=AFFINITY),
    topologySpreadConstraints=[keys("maxSkew topologyKey whenUnsatisfiable", labelSelector=SELECTOR)],
    containers=[CONTAINER], volumes=[VOLUME])
TEMPLATE = keys("", metadata=META, spec=POD)
CLAIM = keys("accessModes storageClassName", resources=keys("", requests=keys("storage")))
PORTS = [keys("port protocol")]
PEERS = [keys("", podSelector=SELECTOR, namespaceSelector=SELECTOR)]
BACKEND = keys("", service=keys("name", port=keys("name")))

SPECS = {
    "Namespace": ANY,
    "ConfigMap": ANY,
    "Pod": POD,
    "StatefulSet": keys("replicas serviceName podManagementPolicy", selector=SELECTOR, template=TEMPLATE,
                        volumeClaimTemplates=[keys("apiVersion kind", metadata=META, spec=CLAIM)]),
    "Deployment": keys("replicas", selector=SELECTOR, template=TEMPLATE,
                       strategy=keys("", rollingUpdate=keys("maxSurge maxUnavailable"))),
    "Job": keys("backoffLimit ttlSecondsAfterFinished completionMode completions parallelism",
                template=TEMPLATE),
    "PersistentVolumeClaim": CLAIM,
    "Service": keys("selector clusterIP publishNotReadyAddresses sessionAffinity",
                    sessionAffinityConfig=keys("", clientIP=keys("timeoutSeconds")),
                    ports=[keys("name port targetPort")]),
    "HorizontalPodAutoscaler": keys(
        "minReplicas maxReplicas", scaleTargetRef=keys("apiVersion kind name"),
        metrics=[keys("type", resource=keys("name", target=keys("type averageUtilization")))],
        behavior=keys("", scaleDown=keys("stabilizationWindowSeconds"))),
    "PodDisruptionBudget": keys("maxUnavailable", selector=SELECTOR),
    "NetworkPolicy": keys("policyTypes", podSelector=SELECTOR,
                          ingress=[{"from": PEERS, "ports": PORTS}],
                          egress=[{"to": PEERS, "ports": PORTS}]),
    "Ingress": keys("ingressClassName", tls=[keys("hosts secretName")],
                    rules=[keys("host", http=keys("", paths=[keys("path pathType", backend=BACKEND)]))]),
    "PodMonitor": keys("jobLabel", selector=SELECTOR, podMetricsEndpoints=[keys("port path interval")]),
}
API_VERSIONS = {
    "Namespace": "v1", "ConfigMap": "v1", "Pod": "v1", "Service": "v1", "PersistentVolumeClaim": "v1",
    "StatefulSet": "apps/v1", "Deployment": "apps/v1", "Job": "batch/v1",
    "HorizontalPodAutoscaler": "autoscaling/v2", "PodDisruptionBudget": "policy/v1",
    "NetworkPolicy": "networking.k8s.io/v1", "Ingress": "networking.k8s.io/v1",
    "PodMonitor": "monitoring.coreos.com/v1",
}


def unknown_keys(value, allowed, path):
    """The places below `value` that `allowed` does not have, as PATH.KEY; wrong types, too."""
    if allowed is ANY:
        return []
    if not isinstance(value, type(allowed)):
        return ["%s: is no %s" % (path, "list" if isinstance(allowed, list) else "mapping")]
    if isinstance(allowed, list):
        return [problem for place, item in enumerate(value)
                for problem in unknown_keys(item, allowed[0], "%s[%d]" % (path, place))]
    return [problem for key, item in value.items()
            for problem in (unknown_keys(item, allowed[key], "%s.%s" % (path, key)) if key in allowed
                            else ["%s.%s: is no key that we know" % (path, key)])]


def check_keys(documents):
    problems = []
    for document in documents:
        kind = document.get("kind")
        if kind not in SPECS:
            problems.append("%s: is no kind that we use" % kind)
            continue
        if document.get("apiVersion") != API_VERSIONS[kind]:
            problems.append("%s: apiVersion is not %s" % (kind, API_VERSIONS[kind]))
        allowed = {"apiVersion": ANY, "kind": ANY, "metadata": META, "spec": SPECS[kind], "data": ANY}
        problems += unknown_keys(document, allowed, "%s %s" % (kind, document["metadata"]["name"]))
    return problems
