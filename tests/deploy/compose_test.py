"""Checks promises of the files in deploy/ that can be read from them, without Docker.

usage: compose_test.py     exit code 77: skipped, because PyYAML is not installed
"""
import os
import re
import sys
import unittest

try:
    import yaml
except ImportError:
    print("python3-yaml is not installed")
    sys.exit(77)

DEPLOY = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../deploy")
COMPOSE = os.path.join(DEPLOY, "docker-compose.yml")


class Compose(unittest.TestCase):
    def setUp(self):
        with open(COMPOSE) as file:
            self.services = yaml.safe_load(file)["services"]

    def flag(self, service, name):
        command = self.services[service]["command"]
        return command[command.index(name) + 1] if name in command else None

    def test_servers_ask_for_a_key(self):
        for service in ("server", "trainer"):
            self.assertEqual(self.flag(service, "--api-key-file"), "/secrets/api-keys", service)

    def test_clients_have_keys_of_their_own(self):
        self.assertEqual(self.flag("web", "--api-key-file"), "/secrets/web.key")
        for service in ("demo", "cli"):
            self.assertEqual(self.services[service]["environment"]["S2P_API_KEY_FILE"],
                             "/secrets/%s.key" % service)

    def test_keys_exist_before_anybody_needs_them(self):
        for service in ("server", "trainer", "web", "demo", "grafana"):
            self.assertEqual(self.services[service]["depends_on"]["secrets"]["condition"],
                             "service_completed_successfully", service)

    def test_only_their_maker_may_change_them(self):
        for name, service in self.services.items():
            for volume in service.get("volumes", []):
                if volume.startswith("secrets:"):
                    self.assertEqual(volume.endswith(":ro"), name != "secrets", name)

    def test_no_password_has_a_default_that_everybody_knows(self):
        web, grafana = (self.services[name]["environment"] for name in ("web", "grafana"))
        self.assertEqual(web["S2P_OPERATOR_PASSWORD_FILE"],
                         "${S2P_OPERATOR_PASSWORD_FILE:-/secrets/operator-password}")
        self.assertEqual(grafana["GF_SECURITY_ADMIN_PASSWORD__FILE"], "/secrets/grafana-password")
        self.assertNotIn("GF_SECURITY_ADMIN_PASSWORD", grafana)

    def test_trainer_sees_what_the_page_exports(self):
        folder = os.path.dirname(self.flag("web", "--export-dir"))
        self.assertIsNone(self.flag("web", "--trainer-export-dir"))
        [source] = [volume[:-len(":" + folder)] for volume in self.services["web"]["volumes"]
                    if volume.endswith(":" + folder)]
        self.assertIn(source + ":" + folder + ":ro", self.services["trainer"]["volumes"])
        with open(os.path.join(DEPLOY, "../docker/Dockerfile")) as file:
            self.assertIn("S2P_DATA_ROOT=%s " % folder, file.read())

    def test_ports_are_for_this_machine(self):
        for name, service in self.services.items():
            for port in service.get("ports", []):
                self.assertIn(":-127.0.0.1:", port, name)


class Proxy(unittest.TestCase):
    def setUp(self):
        with open(os.path.join(DEPLOY, "docker-compose.proxy.yml")) as file:
            self.services = yaml.safe_load(file)["services"]

    def test_page_believes_the_address_of_the_proxy_alone(self):
        self.assertEqual(self.services["web"]["environment"]["S2P_TRUSTED_PROXY"],
                         self.services["proxy"]["networks"]["front"]["ipv4_address"])

    def test_its_key_is_for_nobody_else(self):
        with open(COMPOSE) as file:
            others = yaml.safe_load(file)["services"]
        for name, service in others.items():
            self.assertNotIn("./proxy-secrets", str(service.get("volumes")), name)
        self.assertIn("./proxy-secrets:/run/secrets:ro", self.services["proxy"]["volumes"])

    def test_page_gets_no_address_and_no_name_that_a_client_claims(self):
        with open(os.path.join(DEPLOY, "proxy/nginx.conf.template")) as file:
            page = re.search(r"location / \{.*?\n    \}", file.read(), re.DOTALL).group()
        self.assertIn("proxy_set_header X-Forwarded-For $remote_addr;", page)
        for header in ("X-Forwarded-User", "X-Forwarded-Email", "X-Remote-User", "Remote-User"):
            self.assertIn('proxy_set_header %s "";' % header, page)


if __name__ == "__main__":
    unittest.main()
