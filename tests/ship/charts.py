"""Rendering the chart with a real helm."""

import pathlib
import subprocess
import tempfile

import yaml

from processes import ROOT
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


def config(objects, directory):
    """The rendered configuration as a file."""
    (found,) = [
        one for one in objects.values() if one["kind"] == "ConfigMap" and "holdfast.toml" in one.get("data", {})
    ]
    path = pathlib.Path(directory) / "holdfast.toml"
    path.write_text(found["data"]["holdfast.toml"])
    return path
