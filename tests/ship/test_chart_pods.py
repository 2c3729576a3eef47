"""The rendered pods as containers: what the chart tells Kubernetes, told to an engine, is a cluster that answers."""

import base64
import copy
import json

import pytest

from charts import CREDENTIALS, config, only, render, secret_files, variables
from containers import IMAGE, build_images, docker
from processes import run, wait_until

NETWORK = "holdfast-ship-chart"
VALUES = {
    "auth": {"programs": [{"name": "default", "user": "marqeta", "passwords": ["a'\"\\ $(HOME) é-12345"]}]},
    "config": {"shutdown": {"drain_ms": 3000}},
}


def environment(container, objects, number):
    """As flags."""
    told = variables(container, objects, number)
    return [word for name, value in told.items() for word in ("-e", f"{name}={value}")]


def credentials(objects, directory):
    """The mounted Secret as a flag."""
    files = secret_files(objects, directory)
    files.chmod(0o755)
    return ["-v", f"{files}:{CREDENTIALS}:ro"]


def narrow(pod, container):
    """The security contexts as flags."""
    user, own = pod["securityContext"], container["securityContext"]
    assert own["readOnlyRootFilesystem"] and own["allowPrivilegeEscalation"] is False
    words = [
        "--read-only",
        "--security-opt",
        "no-new-privileges",
        "--user",
        f"{user['runAsUser']}:{user['runAsGroup']}",
    ]
    for capability in own["capabilities"]["drop"]:
        words += ["--cap-drop", capability]
    return words


@pytest.fixture(scope="module")
def objects():
    return render(VALUES)


@pytest.fixture(scope="module")
def pods(objects, tmp_path_factory):
    build_images()
    directory = tmp_path_factory.mktemp("chart")
    file = config(objects, directory)
    directory.chmod(0o755)
    stateful = only(objects, "StatefulSet")
    pod = stateful["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    name, service = stateful["metadata"]["name"], stateful["spec"]["serviceName"]
    started = []
    docker("network", "create", "--internal", NETWORK)
    try:
        for number in range(1, stateful["spec"]["replicas"] + 1):
            aliases = [f"{name}-{number}.{service}.cards.svc.cluster.local", f"{name}.cards.svc.cluster.local"]
            words = ["run", "-d", "--network", NETWORK, *narrow(pod, container)]
            for alias in aliases:
                words += ["--network-alias", alias]
            words += ["-v", f"{file}:{mounts['config']}/holdfast.toml:ro", "-v", mounts["log"], "-v", mounts["data"]]
            words += [*credentials(objects, directory), *environment(container, objects, number)]
            words += [IMAGE, *container["args"]]
            started.append(docker(*words))
        yield started, container, directory
    finally:
        for one in started:
            docker("rm", "-f", "-v", one)
        docker("network", "rm", NETWORK)


def test_all_probes_say_yes(pods):
    started, container, _ = pods
    for one in started:
        for name in ("startupProbe", "livenessProbe", "readinessProbe"):
            ask = container[name]["httpGet"]
            ports = {port["name"]: port["containerPort"] for port in container["ports"]}
            url = f"http://127.0.0.1:{ports[ask['port']]}{ask['path']}"

            def yes(one=one, url=url):
                return run("docker", "exec", one, "/holdfast", "probe", "--url", url, check=False).returncode == 0

            wait_until(f"{name} of {one[:12]}", 30, yes)


def test_the_nodes_are_one_cluster(pods, objects):
    started, _, _ = pods
    status = json.loads(docker("exec", started[0], "/holdfast", "ctl", "--json", "cluster", "status"))
    assert status["quorum"] and [node["id"] for node in status["nodes"]] == [1, 2, 3]
    assert all(node["healthy"] for node in status["nodes"])
    docker("exec", started[2], "/holdfast", "ctl", "verify")


def test_helm_test_passes_and_would_fail_with_another_password(pods, objects, tmp_path):
    _, _, directory = pods
    pod = only(objects, "Pod")["spec"]
    (container,) = pod["containers"]

    def ask(objects=objects, secrets=directory):
        mount = container["volumeMounts"][0]["mountPath"]
        words = ["docker", "run", "--rm", "--network", NETWORK, *narrow(pod, container)]
        words += ["-v", f"{directory / 'holdfast.toml'}:{mount}/holdfast.toml:ro", *credentials(objects, secrets)]
        words += [*environment(container, objects, 1), IMAGE, *container["args"]]
        return run(*words, check=False)

    asked = ask()
    assert asked.returncode == 0 and asked.stdout.startswith("402 (decided)"), (asked.stdout, asked.stderr)
    again = ask()
    assert again.returncode == 0 and again.stdout == asked.stdout.replace("(decided)", "(replayed)")
    args = container["args"]
    args[args.index("--patience-s") + 1] = "0"
    other = copy.deepcopy(objects)
    secret = only(other, "Secret")["data"]
    secret["programs"] = base64.b64encode(base64.b64decode(secret["programs"]).replace(b"12345", b"54321")).decode()
    # Elsewhere: the nodes look at theirs again.
    refused = ask(other, tmp_path)
    assert refused.returncode == 1 and refused.stdout.startswith("401"), (refused.stdout, refused.stderr)
