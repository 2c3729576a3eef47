"""compose.yaml: three containers and the VIP survive what happens to one of them, under load."""

import time

import pytest

from containers import BALANCER, PROJECT, Compose, build_images, docker
from nodes import free_ports, get, in_contact
from processes import ROOT, Load, run, summary, wait_until

LOAD_S, FAULT_S, HEAL_S = 9, 2.0, 6.0


@pytest.fixture(scope="module")
def compose():
    if run("which", "haproxy", check=False).returncode != 0 and get("http://registry-1.docker.io/v2/", 3)[0] == 0:
        pytest.skip("HAProxy is not installed: there is no image of it without a registry")
    build_images()
    run(ROOT / "ci" / "image" / "build-haproxy", BALANCER)
    running = None
    try:
        began = time.monotonic()
        running = Compose(free_ports(1)[0])
        running.wait_healthy()
        wait_until("three nodes behind the VIP", 30, lambda: balancer(running, "haproxy_backend_active_servers") == 3)
        print(f"compose: up and healthy in {time.monotonic() - began:.1f} s", flush=True)
        yield running
        # Without the checks' own lines: requests that HAProxy itself had to answer.
        print(
            *[line for line in running("logs", "--no-color", "vip").splitlines() if " is " not in line][-20:], sep="\n"
        )
    finally:
        if running:
            running.down()


def balancer(compose, name):
    return in_contact(f"{compose.address('vip', 'front')}:8404", name)


def survive(compose, tmp_path, name, number, hurt, heal):
    """One fault under load. That the balancer noticed is the proof that there was one."""
    container = compose.container(f"node-{number}")
    led = compose.leader() == number
    failures = balancer(compose, "haproxy_server_check_failures_total")
    load = Load(compose.vip, compose.admins(), tmp_path, LOAD_S)
    load.sending()
    time.sleep(FAULT_S)
    hurt(container)
    time.sleep(HEAL_S - FAULT_S)
    after = compose.leader(asked=[other for other in (1, 2, 3) if other != number])
    heal(container)
    report = load.end()
    compose.wait_healthy()
    wait_until("three nodes behind the VIP", 30, lambda: balancer(compose, "haproxy_backend_active_servers") == 3)
    summary(f"{name} node {number}{' (leader)' if led else ''}", report)
    return failures, after


def test_the_leader_is_killed(compose, tmp_path):
    leader = compose.leader()
    failures, after = survive(
        compose, tmp_path, "docker kill", leader, lambda node: docker("kill", node), lambda node: docker("start", node)
    )
    assert after != leader and balancer(compose, "haproxy_server_check_failures_total") > failures


def test_the_leader_is_paused(compose, tmp_path):
    leader = compose.leader()
    failures, after = survive(
        compose,
        tmp_path,
        "docker pause",
        leader,
        lambda node: docker("pause", node),
        lambda node: docker("unpause", node),
    )
    assert after != leader and balancer(compose, "haproxy_server_check_failures_total") > failures


def test_the_leader_loses_the_other_nodes(compose, tmp_path):
    """Still reachable for the processor, but without a quorum."""
    leader, network = compose.leader(), f"{PROJECT}_peers"
    failures, after = survive(
        compose,
        tmp_path,
        "network disconnect (peers)",
        leader,
        lambda node: docker("network", "disconnect", network, node),
        lambda node: docker("network", "connect", "--alias", f"peer-{leader}", network, node),
    )
    assert after != leader and balancer(compose, "haproxy_server_check_failures_total") > failures


def test_a_node_loses_the_vip(compose, tmp_path):
    """Still in the quorum, but unreachable for the processor."""
    number, network = compose.leader() % 3 + 1, f"{PROJECT}_front"
    failures, _ = survive(
        compose,
        tmp_path,
        "network disconnect (front)",
        number,
        lambda node: docker("network", "disconnect", network, node),
        lambda node: docker("network", "connect", "--alias", f"node-{number}", network, node),
    )
    assert balancer(compose, "haproxy_server_check_failures_total") > failures


def test_the_books_of_all_nodes_are_the_same(compose):
    docker("exec", compose.container("node-1"), "/holdfast", "ctl", "verify")


def test_only_the_vip_is_published(compose):
    published = {
        service: docker("port", compose.container(service)) for service in ("node-1", "node-2", "node-3", "vip")
    }
    assert published["vip"].endswith(compose.vip)
    assert not any(published[service] for service in ("node-1", "node-2", "node-3")), published
