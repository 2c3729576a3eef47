"""The image that was built without a registry: small, nobody's root, read-only, no shell, and it stops when told to."""

import io
import os
import re
import shutil
import subprocess
import tarfile
import time

import pytest

from containers import IMAGE, build_images, docker, inspect
from processes import ROOT, run, wait_until

SIZE_MAX = 25_000_000
SETTINGS = """
[node]
id = 1
data_dir = "/var/lib/holdfast/data"
log_dir = "/var/lib/holdfast/log"
[cluster]
bootstrap = true
members = [{ id = 1, peer = "127.0.0.1:7441", admin = "127.0.0.1:9541" }]
[[programs]]
name = "default"
user = "marqeta"
passwords = ["holdfast-dev-Password1!"]
"""
NARROW = [
    "--read-only",
    "--cap-drop",
    "ALL",
    "--security-opt",
    "no-new-privileges",
    "--pids-limit",
    "100",
    "--network",
    "none",
]


@pytest.fixture(scope="module", autouse=True)
def image():
    build_images()


@pytest.fixture
def node(tmp_path):
    """One node, as narrow as it can be run, with an empty volume for each of its directories."""
    config = tmp_path / "holdfast.toml"
    config.write_text(SETTINGS)
    tmp_path.chmod(0o755)
    volumes = [
        "-v",
        f"{config}:/etc/holdfast/holdfast.toml:ro",
        "-v",
        "/var/lib/holdfast/log",
        "-v",
        "/var/lib/holdfast/data",
    ]
    container = docker("run", "-d", *NARROW, *volumes, "--health-interval", "1s", IMAGE)
    yield container
    docker("rm", "-f", "-v", container)


def test_it_is_small_and_says_what_it_is():
    size = inspect(IMAGE, ".Size")
    print(f"image: {size / 1e6:.1f} MB", flush=True)
    assert size <= SIZE_MAX
    config = inspect(IMAGE, ".Config")
    assert config["User"] == "65532:65532"
    assert config["StopSignal"] == "SIGTERM"
    assert config["Entrypoint"] == ["/holdfast"]
    assert config["Healthcheck"]["Test"][:3] == ["CMD", "/holdfast", "probe"]
    assert set(config["ExposedPorts"]) == {"8441/tcp", "9441/tcp", "9541/tcp", "7441/tcp"}
    labels = config["Labels"]
    names = ("title", "description", "version", "revision", "created", "source", "licenses", "vendor")
    assert all(labels[f"org.opencontainers.image.{name}"] for name in names)
    version = re.search(r'^version = "(.*)"$', (ROOT / "Cargo.toml").read_text(), re.M).group(1)
    assert labels["org.opencontainers.image.version"] == version


def test_there_is_nothing_in_it_but_the_binary(tmp_path):
    container = docker("create", IMAGE)
    try:
        exported = subprocess.run(["docker", "export", container], capture_output=True, check=True).stdout
    finally:
        docker("rm", container)
    members = tarfile.open(fileobj=io.BytesIO(exported)).getmembers()
    # What the engine puts into every container: empty.
    programs = [member.name for member in members if member.isfile() and member.size > 0]
    assert programs == ["holdfast"]
    for owned in ("var/lib/holdfast/log", "var/lib/holdfast/data"):
        member = next(member for member in members if member.name.rstrip("/") == owned)
        assert (member.uid, member.gid) == (65532, 65532)


def test_there_is_no_shell():
    started = run("docker", "run", "--rm", *NARROW, "--entrypoint", "/bin/sh", IMAGE, "-c", "true", check=False)
    assert started.returncode == 127


def test_it_runs_read_only_is_healthy_and_stops_when_told_to(node):
    wait_until("healthy", 30, lambda: inspect(node, ".State.Health.Status") == "healthy")
    processes = docker("top", node, "-eo", "pid,uid,args").splitlines()[1:]
    assert len(processes) == 1 and processes[0].split()[1] == "65532", processes
    assert inspect(node, ".HostConfig.ReadonlyRootfs") is True
    asked = docker(
        "exec",
        node,
        "/holdfast",
        "probe",
        "--url",
        "http://127.0.0.1:8441/v1/jit",
        "--authorize",
        "t",
        "--config",
        "/etc/holdfast/holdfast.toml",
    )
    assert asked.startswith("402 (decided)"), asked

    began = time.monotonic()
    docker("stop", "--time", "30", node)
    took = time.monotonic() - began
    print(f"image: SIGTERM to exit in {took:.1f} s", flush=True)
    assert inspect(node, ".State.ExitCode") == 0, docker("logs", node)
    assert took < 10


def test_what_was_decided_is_there_after_a_kill(node):
    question = [
        "exec",
        node,
        "/holdfast",
        "probe",
        "--url",
        "http://127.0.0.1:8441/v1/jit",
        "--authorize",
        "t",
        "--config",
        "/etc/holdfast/holdfast.toml",
        "--patience-s",
        "20",
    ]
    first = docker(*question)
    docker("kill", node)
    docker("start", node)
    again = docker(*question)
    assert first.startswith("402 (decided)") and again == first.replace("(decided)", "(replayed)")


def test_a_node_without_a_configuration_says_so():
    started = run("docker", "run", "--rm", *NARROW, IMAGE, check=False)
    assert started.returncode == 2 and "/etc/holdfast/holdfast.toml" in started.stderr


def test_the_build_context_has_all_that_cargo_reads(tmp_path):
    """For the networked Dockerfile, whose base cannot be had here: what .dockerignore lets through is a workspace."""
    allowed = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    for path in allowed:
        target = tmp_path / path
        target.parent.mkdir(parents=True, exist_ok=True)
        source = ROOT / path
        shutil.copytree(source, target) if source.is_dir() else shutil.copy(source, target)
    if not shutil.which("cargo"):
        pytest.skip("cargo is not installed: the build context was not checked")
    target = "x86_64-unknown-linux-gnu"
    run(
        "cargo",
        "metadata",
        "--locked",
        "--offline",
        "--filter-platform",
        target,
        "--format-version",
        "1",
        cwd=tmp_path,
        env={**os.environ, "CARGO_TARGET_DIR": str(tmp_path / "target")},
    )
