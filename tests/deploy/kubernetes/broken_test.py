"""Breaks a copy of deploy/kubernetes in one place after the other: the checks name each fault.

usage: broken_test.py BIN_DIR [CLASS.TEST...]     exit code 77: skipped, with the reason
"""
import os
import shutil
import sys
import tempfile
import unittest

try:
    import yaml
except ImportError:
    print("python3-yaml is not installed")
    sys.exit(77)

from flags import main
from manifests import KUBERNETES, read
from problems import problems_below, unused_files


class BrokenKubernetes(unittest.TestCase):
    """A copy of the manifests with one fault: the checks name it."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = os.path.join(folder.name, "kubernetes")
        shutil.copytree(KUBERNETES, self.root)

    def replace(self, path, old, new):
        text = read(self.root, path)
        self.assertIn(old, text)
        with open(os.path.join(self.root, path), "w") as file:
            file.write(text.replace(old, new, 1))

    def assert_named(self, problem, path, old, new):
        self.replace(path, old, new)
        self.assertIn(problem, "\n".join(problems_below(self.root)))

    def test_unknown_flag(self):
        self.assert_named("server: --drian is no flag", "base/server.yaml", "--drain=", "--drian=")

    def test_flag_of_another_program(self):
        self.assert_named("web: --drain is no flag", "base/web.yaml", "--lame-duck=10s", "--drain=10s")

    def test_flag_without_its_value(self):
        self.assert_named("web: --tls-ca is given wrongly", "base/web.yaml", "--tls-ca=/ca/ca.crt",
                          "--tls-ca")

    def test_value_of_a_flag_that_takes_none(self):
        self.assert_named("web: --insecure is given wrongly", "base/web.yaml", "- --insecure",
                          "- --insecure=yes")

    def test_unknown_variable(self):
        self.assert_named("trainer: S2P_THREDS is no flag", "base/trainer.yaml", "S2P_THREADS", "S2P_THREDS")

    def test_unknown_setting_in_a_config_map(self):
        self.assert_named("web: S2P_HOSTNAME is no flag", "base/kustomization.yaml", "S2P_HOST_NAME",
                          "S2P_HOSTNAME")

    def test_misspelt_key_of_a_container(self):
        self.assert_named("containers[0].readynessProbe: is no key", "base/server.yaml", "readinessProbe",
                          "readynessProbe")

    def test_key_that_kubernetes_does_not_have(self):
        self.assert_named("spec.tolerate: is no key", "base/web.yaml", "      topologySpread",
                          "      tolerate: {}\n      topologySpread")

    def test_mapping_in_the_place_of_a_list(self):
        self.assert_named("Service server.spec.ports: is no list", "base/server.yaml",
                          "  ports:\n    - name: grpc\n      port: 50051", "  ports:\n      name: grpc\n      port: 50051")

    def test_other_api_version(self):
        self.assert_named("apiVersion is not autoscaling/v2", "base/web.yaml", "autoscaling/v2",
                          "autoscaling/v1")

    def test_image_latest(self):
        self.assert_named("the tag of the image is latest", "base/web.yaml", "web:0.1.0", "web:latest")

    def test_image_without_a_tag(self):
        self.assert_named("the tag of the image is none", "base/web.yaml", "web:0.1.0", "web")

    def test_port_that_the_program_does_not_listen_on(self):
        self.assert_named("server: has ports [9464, 50055]", "base/server.yaml", "containerPort: 50051",
                          "containerPort: 50055")

    def test_volume_where_the_program_does_not_look(self):
        self.assert_named("trainer: S2P_STATE_DIR is /data, where nothing is mounted", "base/trainer.yaml",
                          "mountPath: /data\n", "mountPath: /state\n")

    def test_secret_that_is_committed(self):
        self.assert_named("Secret: is no kind that we use", "base/namespace.yaml", "apiVersion: v1\n",
                          "apiVersion: v1\nkind: Secret\nmetadata: {name: web}\n---\napiVersion: v1\n")

    def test_service_port_that_no_pod_has(self):
        self.assert_named("Service trainer: its pods have no port rpc", "base/trainer.yaml",
                          "targetPort: grpc",
                          "targetPort: rpc")

    def test_service_at_another_port_than_its_clients_call(self):
        self.assert_named("web: no Service listens at server:50051", "base/server.yaml", "port: 50051\n",
                          "port: 50055\n")

    def test_policy_for_a_port_that_no_pod_has(self):
        self.assert_named("NetworkPolicy server: its pods have no port rpc", "base/network.yaml",
                          "port: grpc",
                          "port: rpc")

    def test_policy_for_calls_to_a_port_where_nobody_listens(self):
        self.assert_named("nobody listens on port 50055", "base/network.yaml", "port: 50051", "port: 50055")

    def test_ingress_to_a_port_that_the_service_lacks(self):
        self.assert_named("Ingress: web has no port page", "components/ingress/ingress.yaml", "name: http\n",
                          "name: page\n")

    def test_monitor_of_a_port_that_no_pod_has(self):
        self.assert_named("PodMonitor sketch2photo: its pods have no port metrics",
                          "components/monitoring/pod-monitor.yaml", "port: http", "port: metrics")

    def test_probe_of_another_port(self):
        self.assert_named("the startupProbe does not ask", "base/server.yaml", "port: http\n", "port: grpc\n")

    def test_liveness_that_needs_a_model(self):
        self.assert_named("server: the startupProbe does not ask for /healthz", "base/server.yaml",
                          "path: /healthz", "path: /readyz")

    def test_missing_probe(self):
        self.assert_named("trainer: the livenessProbe does not ask", "base/trainer.yaml", """          livenessProbe:
            httpGet:
              path: /healthz
              port: http
            periodSeconds: 10
            timeoutSeconds: 6
            failureThreshold: 6
""", "")

    def test_liveness_that_ends_the_lame_duck(self):
        self.assert_named("web: the livenessProbe ends the pod", "base/web.yaml", "--lame-duck=10s",
                          "--lame-duck=30s")

    def test_drain_that_is_cut_short(self):
        self.assert_named("server: terminationGracePeriodSeconds is 45, and the program may take 65 s",
                          "base/server.yaml", "--drain=30s", "--drain=1m")

    def test_page_that_is_cut_short(self):
        self.assert_named("web: terminationGracePeriodSeconds is 20", "base/web.yaml",
                          "terminationGracePeriodSeconds: 30", "terminationGracePeriodSeconds: 20")

    def test_job_that_kubernetes_may_cut_short_without_our_word(self):
        self.assert_named("training-run: has no terminationGracePeriodSeconds",
                          "tasks/training-run/training-run.yaml", "      terminationGracePeriodSeconds: 60\n", "")

    def test_key_file_that_would_never_be_replaced(self):
        self.assert_named("volumeMounts[2].subPath: is no key", "base/server.yaml", "mountPath: /keys\n",
                          "mountPath: /keys\n              subPath: api-keys\n")

    def test_two_servers_of_one_folder(self):
        self.assert_named("server: is not exactly one", "base/server.yaml", "replicas: 1", "replicas: 2")

    def test_server_that_no_change_reaches_while_it_has_no_model(self):
        self.assert_named("server: no change reaches it", "base/server.yaml",
                          "  podManagementPolicy: Parallel\n",
                          "")

    def test_server_without_a_claim_of_its_own(self):
        self.assert_named("server: has no claim of its own", "base/server.yaml",
                          "        name: data\n      spec",
                          "        name: other\n      spec")

    def test_replicas_that_the_autoscaler_does_not_rule(self):
        self.assert_named("web: replicas are not the autoscaler's", "base/web.yaml", "  strategy:",
                          "  replicas: 3\n  strategy:")

    def test_page_without_a_disruption_budget(self):
        self.assert_named("web: has no PodDisruptionBudget", "base/web.yaml", """  maxUnavailable: 1
  selector:
    matchLabels:
      app.kubernetes.io/name: s2p-web""", """  maxUnavailable: 1
  selector:
    matchLabels:
      app.kubernetes.io/name: s2p-trainer""")

    def test_selector_without_pods(self):
        self.assert_named("Service server: {'matchLabels': {'app.kubernetes.io/name': 's2p-serve'}} selects no pod",
                          "base/server.yaml", "  selector:\n    app.kubernetes.io/name: s2p-server",
                          "  selector:\n    app.kubernetes.io/name: s2p-serve")

    def test_workload_that_does_not_select_its_own_pods(self):
        self.assert_named("StatefulSet server: does not select its own pods", "base/server.yaml",
                          "matchLabels: *labels", "matchLabels: {app.kubernetes.io/name: s2p-trainer}")

    def test_label_that_no_pod_has(self):
        self.assert_named("NetworkPolicy server: no pod is called s2p-tools", "base/network.yaml",
                          "s2p-toolbox",
                          "s2p-tools")

    def test_affinity_to_no_pod(self):
        self.assert_named("selects no pod", "tasks/toolbox/toolbox.yaml", "name: s2p-trainer",
                          "name: s2p-train")

    def test_secret_that_nobody_makes(self):
        self.assert_named("there is no Secret server-cert", "base/server.yaml", "secretName: server-tls",
                          "secretName: server-cert")

    def test_claim_that_nobody_makes(self):
        self.assert_named("there is no PersistentVolumeClaim models", "base/server.yaml",
                          "claimName: checkpoints",
                          "claimName: models")

    def test_config_map_that_nobody_makes(self):
        self.assert_named("there is no ConfigMap settings", "base/web.yaml", "name: web-settings",
                          "name: settings")

    def test_certificate_of_the_page_that_nobody_makes(self):
        self.assert_named("Ingress: there is no Secret page-cert", "components/ingress/ingress.yaml",
                          "page-tls",
                          "page-cert")

    def test_file_that_the_secret_lacks(self):
        self.assert_named("web: nothing puts a file at /secrets/page.key", "base/web.yaml",
                          "/secrets/web.key",
                          "/secrets/page.key")

    def test_secret_that_everybody_reads(self):
        self.assert_named("server: everybody may read the Secret of the volume keys", "base/server.yaml",
                          "defaultMode: 0440", "defaultMode: 0444")

    def test_volume_that_is_not_mounted(self):
        self.assert_named("server: the volume data is not both", "base/server.yaml",
                          "            - name: data\n              mountPath: /data\n", "")

    def test_root(self):
        self.assert_named("web: runAsUser is 0", "base/web.yaml", "runAsUser: 10001", "runAsUser: 0")

    def test_user_that_kubernetes_cannot_check(self):
        # The image names its user, and Kubernetes refuses a name under runAsNonRoot.
        self.assert_named("web: runAsUser is None", "base/web.yaml", "        runAsUser: 10001\n", "")

    def test_writable_root_file_system(self):
        self.assert_named("readOnlyRootFilesystem is False", "base/trainer.yaml",
                          "readOnlyRootFilesystem: true",
                          "readOnlyRootFilesystem: false")

    def test_capabilities(self):
        self.assert_named("server: capabilities is {'drop': []}", "base/server.yaml", "drop: [ALL]",
                          "drop: []")

    def test_seccomp_switched_off(self):
        self.assert_named("server: seccompProfile is", "base/server.yaml", "RuntimeDefault", "Unconfined")

    def test_variables_of_services(self):
        self.assert_named("web: enableServiceLinks is None", "base/web.yaml",
                          "      enableServiceLinks: false\n", "")

    def test_no_place_for_temporary_files(self):
        self.assert_named("web: nothing can be written below /tmp", "base/web.yaml", "mountPath: /tmp",
                          "mountPath: /var/tmp")

    def test_namespace_for_anything(self):
        self.assert_named("pod-security.kubernetes.io/enforce is privileged", "base/namespace.yaml",
                          "restricted",
                          "privileged")

    def test_no_limit_of_memory(self):
        self.assert_named("trainer: has no resources.limits.memory", "base/trainer.yaml",
                          "            limits:\n              memory: 6Gi\n", "")

    def test_threads_of_a_resource_that_is_not_there(self):
        self.assert_named("trainer: S2P_THREADS comes from limits.cpu", "base/trainer.yaml",
                          "resource: requests.cpu",
                          "resource: limits.cpu")

    def test_server_open_to_everybody(self):
        self.assert_named("server: its port grpc may be called by ['everybody'", "base/network.yaml",
                          "  ingress:\n    - from:", "  ingress:\n    - ports:\n        - port: grpc\n    - from:")

    def test_metrics_for_other_namespaces(self):
        self.assert_named("its port http may be called by ['namespace default']", "base/network.yaml",
                          "kubernetes.io/metadata.name: monitoring", "kubernetes.io/metadata.name: default")

    def test_no_policy_that_forbids(self):
        self.assert_named("no NetworkPolicy forbids", "base/network.yaml", "policyTypes: [Ingress, Egress]",
                          "policyTypes: [Ingress]")

    def test_governing_service_that_does_not_exist(self):
        self.assert_named("server: there is no Service servers", "base/server.yaml", "serviceName: server",
                          "serviceName: servers")

    def test_autoscaler_of_nothing(self):
        self.assert_named("web: scales nothing", "base/web.yaml", "    kind: Deployment\n    name: web",
                          "    kind: Deployment\n    name: page")

    def test_fewer_processes_than_wait_for_each_other(self):
        self.assert_named("distributed-training: completions, parallelism and WORLD_SIZE differ",
                          "tasks/distributed-training/distributed-training.yaml", "parallelism: 2",
                          "parallelism: 1")

    def test_meeting_place_that_is_no_pod(self):
        self.assert_named("distributed-training: no pod has the name training-0.distributed-training",
                          "tasks/distributed-training/distributed-training.yaml",
                          "value: distributed-training-0", "value: training-0")

    def test_pods_without_the_service_that_gives_them_names(self):
        self.assert_named("distributed-training: there is no Service ranks",
                          "tasks/distributed-training/distributed-training.yaml",
                          "subdomain: distributed-training", "subdomain: ranks")

    def test_file_that_no_kustomization_names(self):
        self.replace("base/kustomization.yaml", "  - network.yaml\n", "")
        self.assertEqual(unused_files(self.root), ["base/network.yaml"])


if __name__ == "__main__":
    main()
