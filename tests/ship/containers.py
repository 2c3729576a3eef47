"""The container engine, the images that are built without a registry, and compose.yaml running."""

import json
import os
import shutil
import subprocess

from processes import HOLDFAST, ROOT, run, wait_until

IMAGE = "holdfast:ship-test"
BALANCER = "holdfast-haproxy:ship-test"
PROJECT = "holdfast-ship-test"


def docker(*words, **more):
    return run("docker", *words, **more).stdout.strip()


def inspect(name, form):
    return json.loads(docker("inspect", "--format", "{{json " + form + "}}", name))


def build_images():
    run(ROOT / "ci" / "image" / "build", IMAGE, HOLDFAST)


def compose_command():
    """Compose v2 where it is, else docker-compose 1.29."""
    if run("docker", "compose", "version", check=False).returncode == 0:
        return ["docker", "compose"]
    return [shutil.which("docker-compose") or "docker-compose"]


class Compose:
    """compose.yaml as it is; only the images are ours."""

    def __init__(self, port):
        self.command = compose_command()
        self.vip = f"127.0.0.1:{port}"
        self.environment = {
            **os.environ,
            "HOLDFAST_IMAGE": IMAGE,
            "HAPROXY_IMAGE": BALANCER,
            "HOLDFAST_VIP_PORT": str(port),
            "COMPOSE_PROJECT_NAME": PROJECT,
        }
        self("up", "-d", "--no-build")

    def __call__(self, *words):
        return run(*self.command, "-f", ROOT / "compose.yaml", *words, env=self.environment, cwd=ROOT).stdout.strip()

    def container(self, service):
        return self("ps", "-q", service)

    def address(self, service, network):
        networks = inspect(self.container(service), ".NetworkSettings.Networks")
        return networks.get(f"{PROJECT}_{network}", {}).get("IPAddress", "")

    def admins(self):
        """By the front network, which no test takes from more than one node at a time."""
        return [f"{self.address(f'node-{number}', 'front')}:9541" for number in (1, 2, 3)]

    def healthy(self):
        states = [inspect(self.container(f"node-{number}"), ".State.Health.Status") for number in (1, 2, 3)]
        return states == ["healthy"] * 3

    def wait_healthy(self):
        wait_until("three healthy nodes", 60, self.healthy)

    def status(self, asked=(1, 2, 3)):
        """As the first that answers sees it."""
        for number in asked:
            words = [
                "docker",
                "exec",
                self.container(f"node-{number}"),
                "/holdfast",
                "ctl",
                "--json",
                "cluster",
                "status",
            ]
            try:
                seen = run(*words, check=False, timeout=10)
            except subprocess.TimeoutExpired:
                continue
            if seen.returncode == 0:
                return json.loads(seen.stdout)
        return {"leader": None}

    def leader(self, asked=(1, 2, 3)):
        return wait_until("a leader", 20, lambda: self.status(asked)["leader"])

    def down(self):
        self("down", "--volumes", "--timeout", "1")
