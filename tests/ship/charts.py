"""Rendering the chart with a real helm, and asking the product about what it renders."""

import base64
import os
import pathlib
import subprocess
import tempfile

import yaml

from processes import HOLDFAST, ROOT, run
from tools import HELMS, helm

CHART = ROOT / "helm" / "holdfast"
NEWEST = list(HELMS)[-1]


class Refused(Exception):
    """What helm said."""


def text(values=None, name="pay", version=NEWEST, more=()):
    """What `helm template` prints."""
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        yaml.safe_dump(values or {}, file)
        file.flush()
        words = [helm(version), "template", name, CHART, "--namespace", "cards", "--values", file.name, *more]
        done = subprocess.run([str(word) for word in words], capture_output=True, text=True)
    if done.returncode != 0:
        raise Refused(done.stderr)
    return done.stdout


def render(values=None, **more):
    """Objects by (kind, name)."""
    objects = [one for one in yaml.safe_load_all(text(values, **more)) if one]
    found = {(one["kind"], one["metadata"]["name"]): one for one in objects}
    assert len(found) == len(objects), "two objects of one kind and name"
    return found


def only(objects, kind):
    """The only object of its kind."""
    (one,) = [one for (other, _), one in objects.items() if other == kind]
    return one


def kinds(objects):
    return sorted(f"{kind}/{name}" for kind, name in objects)


def pod(objects):
    """The spec of a node's pod."""
    return only(objects, "StatefulSet")["spec"]["template"]["spec"]


def container(objects):
    (one,) = pod(objects)["containers"]
    return one


CREDENTIALS = "/run/holdfast/credentials"
# What a Secret of somebody's own would have.
OWN_SECRET = {
    "programs": "[{name = 'p', user = 'u', passwords = ['999999999999']}]",
    "admin_tokens": "[{name = 'ada', role = 'risk', tokens = ['0123456789abcdef']}]",
    "issuer": "[{user = 'core', passwords = ['888888888888']}]",
}


def secret_files(objects, directory):
    """What is mounted as credentials, in a directory: the chart's Secret, or somebody's own."""
    (mount,) = [one for one in container(objects)["volumeMounts"] if one["mountPath"] == CREDENTIALS]
    (volume,) = [one["secret"]["secretName"] for one in pod(objects)["volumes"] if one["name"] == mount["name"]]
    ours = objects.get(("Secret", volume))
    held = {key: base64.b64decode(value).decode() for key, value in ours["data"].items()} if ours else OWN_SECRET
    path = pathlib.Path(directory) / "credentials"
    path.mkdir(exist_ok=True)
    for key, value in held.items():
        (path / key).write_text(value)
    return path


def variables(one, objects, number=1):
    """The variables of a container, as the kubelet would make them."""
    name = f"{only(objects, 'StatefulSet')['metadata']['name']}-{number}"
    fields = {"metadata.labels['apps.kubernetes.io/pod-index']": str(number), "metadata.name": name}
    told = {}
    for row in one["env"]:
        field = row.get("valueFrom", {}).get("fieldRef", {}).get("fieldPath")
        told[row["name"]] = fields[field] if field else row["value"].replace("$(POD_NAME)", name)
    return told


def environment(one, objects, directory, number=1):
    """The same for a process on this machine: mounted credentials are in the directory."""
    files = str(secret_files(objects, directory))
    told = {name: value.replace(CREDENTIALS, files) for name, value in variables(one, objects, number).items()}
    return {"PATH": os.environ["PATH"], **told}


def check_config(objects, directory, number=1, one=None):
    """What the product says of the rendered configuration, with the environment of a node's pod, or of another one."""
    told = environment(one or container(objects), objects, directory, number)
    return run(HOLDFAST, "config", "--check", "--config", config(objects, directory), env=told, check=False)


def shown_config(objects, directory, number=1):
    """The configuration in force in a pod."""
    told = environment(container(objects), objects, directory, number)
    return run(HOLDFAST, "config", "--config", config(objects, directory), env=told).stdout


def config(objects, directory):
    """The rendered configuration as a file."""
    (found,) = [
        one for one in objects.values() if one["kind"] == "ConfigMap" and "holdfast.toml" in one.get("data", {})
    ]
    path = pathlib.Path(directory) / "holdfast.toml"
    path.write_text(found["data"]["holdfast.toml"])
    return path
