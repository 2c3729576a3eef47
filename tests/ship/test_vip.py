"""Real HAProxy before three real nodes: whichever is lost, however, every request is answered in time by a node."""

import base64
import concurrent.futures
import json
import os
import shutil
import signal
import socket
import time

import pytest

from nodes import Cluster, free_ports, in_contact, start_haproxy
from pretended import Pretended, Vanished
from processes import HOLDFAST, LIMIT_MS, PASSWORD, Load, run, summary, wait_until

# The load of one fault, and when within it the fault comes and goes.
LOAD_S, FAULT_S, HEAL_S = 6, 1.5, 4.0
ACTIVE = "haproxy_backend_active_servers"
# Requests that HAProxy has right now for the nodes in contact.
SESSIONS = "haproxy_backend_current_sessions"


@pytest.fixture(scope="module")
def haproxy():
    found = shutil.which("haproxy", path=os.environ["PATH"] + ":/usr/sbin")
    if not found and os.geteuid() == 0 and shutil.which("apt-get"):
        run("apt-get", "install", "-y", "-q", "--no-install-recommends", "haproxy", check=False, timeout=300)
        found = shutil.which("haproxy", path=os.environ["PATH"] + ":/usr/sbin")
    if not found:
        pytest.skip("HAProxy is not installed, and apt-get cannot bring it: the VIP was not tested")
    return found


@pytest.fixture(scope="module")
def cluster(tmp_path_factory, haproxy):
    cluster = Cluster(tmp_path_factory.mktemp("vip"), haproxy)
    yield cluster
    cluster.stop()


def lose(cluster, tmp_path, numbers, hurt, heal, connections=16):
    """One fault under load. What HAProxy did about it is the proof that there was one."""
    nodes = [cluster.nodes[number - 1] for number in numbers]
    leader = cluster.status()["leader"]
    before = cluster.balancer("haproxy_server_check_failures_total")
    again = cluster.balancer("haproxy_backend_redispatch_warnings_total")
    load = Load(cluster.vip, cluster.admins, tmp_path, LOAD_S, connections=connections)
    load.sending()
    time.sleep(FAULT_S)
    for node in nodes:
        hurt(node)
    time.sleep(HEAL_S - FAULT_S)
    for node in nodes:
        heal(node)
    report = load.end()
    assert cluster.balancer("haproxy_server_check_failures_total") > before, "HAProxy has not noticed anything"
    for node in nodes:
        node.wait_ready()
    wait_until("all nodes behind the VIP again", 40, lambda: cluster.behind() == 3)
    again = cluster.balancer("haproxy_backend_redispatch_warnings_total") - again
    names = " and ".join(f"{number}{' (leader)' if number == leader else ''}" for number in numbers)
    summary(f"node {names}, sent again {again:.0f} times", report)


def stand_still(node):
    node.process.send_signal(signal.SIGSTOP)


def go_on(node):
    node.process.send_signal(signal.SIGCONT)


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_node_that_is_killed_leaves_no_request_unanswered(cluster, tmp_path, number):
    def kill(node):
        node.process.send_signal(signal.SIGKILL)
        node.process.wait()

    lose(cluster, tmp_path, [number], kill, lambda node: node.start())


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_node_that_stands_still_leaves_no_request_unanswered(cluster, tmp_path, number):
    lose(cluster, tmp_path, [number], stand_still, go_on)


@pytest.mark.parametrize("leads", [True, False])
def test_two_nodes_that_stand_still_leave_no_request_unanswered(cluster, tmp_path, leads):
    """Nobody has a quorum, and the one that is left answers by policy."""
    leader = cluster.status()["leader"]
    others = [number for number in (1, 2, 3) if number != leader]
    lose(cluster, tmp_path, [leader, others[0]] if leads else others, stand_still, go_on, connections=400)


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_node_that_is_told_to_stop_drains(cluster, tmp_path, number):
    def stop(node):
        node.process.send_signal(signal.SIGTERM)

    def start_again(node):
        assert node.process.wait(timeout=10) == 0
        node.start()

    lose(cluster, tmp_path, [number], stop, start_again)


def ask_slowly(vip_port, token):
    """An authorization whose body comes a little after its head, as from a client that sends them apart."""
    body = json.dumps(
        {
            "type": "authorization",
            "token": token,
            "gpa_order": {
                "currency_code": "USD",
                "jit_funding": {"token": token, "method": "pgfs.authorization", "user_token": "nobody", "amount": 1.00},
            },
        }
    ).encode()
    login = base64.b64encode(f"marqeta:{PASSWORD}".encode()).decode()
    head = (
        f"POST /v1/jit HTTP/1.1\r\nHost: vip\r\nAuthorization: Basic {login}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    ).encode()
    with socket.create_connection(("127.0.0.1", vip_port), timeout=LIMIT_MS / 1000) as stream:
        stream.sendall(head)
        time.sleep(0.05)
        stream.sendall(body)
        answer = b""
        while part := stream.recv(65536):
            answer += part
    return answer.split(b"\r\n")[0].decode()


def test_a_body_that_comes_after_its_head_can_be_sent_again(cluster):
    node = cluster.nodes[0]
    again = cluster.balancer("haproxy_backend_redispatch_warnings_total")
    node.process.send_signal(signal.SIGSTOP)
    try:
        with concurrent.futures.ThreadPoolExecutor(24) as pool:
            said = list(pool.map(lambda number: ask_slowly(cluster.vip_port, f"slow-{number}"), range(24)))
    finally:
        node.process.send_signal(signal.SIGCONT)
    assert set(said) == {"HTTP/1.1 402 Payment Required"}, said
    assert cluster.balancer("haproxy_backend_redispatch_warnings_total") > again, "no request met the stopped node"
    wait_until("all nodes behind the VIP again", 20, lambda: cluster.behind() == 3)


def test_without_a_quorum_the_vip_still_answers_by_policy(cluster):
    """Two of three stand still: the last answers alone, a decline in time, and says so."""
    others = cluster.nodes[:2]
    for node in others:
        node.process.send_signal(signal.SIGSTOP)
    try:
        wait_until("no node in contact", 15, lambda: cluster.behind() == 0)

        def ask():
            # Whoever does not answer in the processor's time fails here.
            return run(
                HOLDFAST,
                "probe",
                "--url",
                f"http://{cluster.vip}/v1/jit",
                "--authorize",
                "alone",
                "--config",
                cluster.nodes[2].config,
                "--limit-ms",
                "3000",
                check=False,
            )

        for _ in range(5):
            asked = ask()
            said = (asked.stdout, asked.stderr)
            assert asked.returncode == 1 and asked.stdout.startswith(("402 (stand-in)", "402 (undecided)")), said
    finally:
        for node in others:
            node.process.send_signal(signal.SIGCONT)
    wait_until("all nodes behind the VIP again", 20, lambda: cluster.behind() == 3)


def test_a_vanished_host_that_looks_like_the_only_one_in_contact_loses_no_request(haproxy, tmp_path):
    """The leader's host is gone, and its last check was good. The others know that they are out of contact, and it is
    not known yet that it says nothing."""
    nodes = [Vanished(1), Pretended(2), Pretended(3)]
    vip, stats = free_ports(2)
    process = start_haproxy(haproxy, tmp_path, nodes, vip, stats)
    try:
        for node in nodes[1:]:
            node.probes["/readyz?quorum"] = 503
        wait_until("one in contact", 10, lambda: in_contact(f"127.0.0.1:{stats}", ACTIVE) == 1)
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            asked = [pool.submit(ask_slowly, vip, f"vanished-{number}") for number in range(8)]
            wait_until("requests at the vanished one", 2, lambda: in_contact(f"127.0.0.1:{stats}", SESSIONS) > 0)
            nodes[0].probes = {"/readyz": 503, "/readyz?quorum": 503}
            said = {each.result() for each in asked}
        assert said == {"HTTP/1.1 402 Payment Required"}, said
    finally:
        process.kill()
        process.wait()
        for node in nodes:
            node.stop()


def test_nobody_waits_twice_for_a_node_that_stands_still(haproxy, tmp_path):
    """Two stop at once, and the third is out of contact. Few requests: who stands still is not busier than others."""
    nodes = [Pretended(1), Pretended(2), Pretended(3)]
    vip, stats = free_ports(2)
    process = start_haproxy(haproxy, tmp_path, nodes, vip, stats)
    try:
        wait_until("three in contact", 10, lambda: in_contact(f"127.0.0.1:{stats}", ACTIVE) == 3)
        for node in nodes[:2]:
            node.going.clear()
        nodes[2].probes = {"/readyz": 503, "/readyz?quorum": 503}
        took = []
        for number in range(6):
            began = time.monotonic()
            assert ask_slowly(vip, f"still-{number}") == "HTTP/1.1 402 Payment Required"
            took.append(time.monotonic() - began)
        assert 0.9 < max(took) < 1.9, f"one waits, and for one node: {took}"
    finally:
        process.kill()
        process.wait()
        for node in nodes:
            node.stop()


def test_the_books_of_all_nodes_are_the_same(cluster):
    cluster.ctl("verify")
