#!/usr/bin/env python3
"""A kubectl whose cluster is a `holdfast up`: pod hf-N is its node N + 1, and `up` makes a pod that is gone again.

It knows only what `chaos run --target kubernetes` asks, and refuses everything else: so a wrong word is seen. Each call
is a line in FAKE_CALLS. FAKE_DIR is the directory of `up`, FAKE_BASE the first of its ports.
"""
import json
import os
import signal
import socket
import sys
import threading
import time
import urllib.request
from pathlib import Path

DIR, BASE, CALLS = Path(os.environ["FAKE_DIR"]).resolve(), int(os.environ["FAKE_BASE"]), os.environ["FAKE_CALLS"]
NAMESPACE, SET = "pay", "hf"
# What listens in a pod, and where the same is in a block of ports of `up`.
PORTS = {8441: 10, 9441: 20, 9541: 30}
LONG_S = 60


def refuse(why):
    sys.exit(f"error: {why}")


def node_of(pod):
    name, _, number = pod.rpartition("-")
    if name != SET or number not in ("0", "1", "2"):
        refuse(f'pods "{pod}" not found')
    return int(number) + 1


def pid_of(node):
    config = DIR / f"node-{node}.toml"
    for entry in Path("/proc").iterdir():
        try:
            words = (entry / "cmdline").read_bytes().decode().split("\0")
            running = (entry / "stat").read_text().rsplit(") ", 1)[1][0] not in "ZX"
        except (OSError, IndexError):
            continue
        if running and "serve" in words and str(config) in [os.path.realpath(word) for word in words if word.endswith(".toml")]:
            return int(entry.name)
    return None


def wait(what, holds):
    end = time.monotonic() + LONG_S
    while not holds():
        if time.monotonic() > end:
            refuse(f"timed out waiting for {what}")
        time.sleep(0.05)


def end_pod(pod, by):
    pid = pid_of(node_of(pod)) or refuse(f'pods "{pod}" not found')
    os.kill(pid, by)
    wait(f"{pod} to end", lambda: pid_of(node_of(pod)) != pid)


def forward(pod, pairs):
    node = node_of(pod)

    def carry(source, sink):
        try:
            while data := source.recv(65536):
                sink.sendall(data)
        except OSError:
            pass
        for end in (source, sink):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def serve(listener, port):
        while True:
            near, _ = listener.accept()
            try:
                far = socket.create_connection(("127.0.0.1", port), timeout=2)
            except OSError:
                near.close()
                continue
            far.settimeout(None)
            for one, other in ((near, far), (far, near)):
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                threading.Thread(target=carry, args=(one, other), daemon=True).start()

    threads = []
    for pair in pairs:
        near, far = map(int, pair.split(":"))
        listener = socket.create_server(("127.0.0.1", near), backlog=512)
        thread = threading.Thread(target=serve, args=(listener, BASE + PORTS[far] + node), daemon=True)
        thread.start()
        threads.append(thread)
    for thread in threads:
        thread.join()


def ready(node):
    try:
        url = f"http://127.0.0.1:{BASE + 20 + node}/readyz?quorum"
        return urllib.request.urlopen(url, timeout=1).status == 200
    except OSError:
        return False


def main(words):
    with open(CALLS, "a") as calls:
        calls.write(" ".join(words) + "\n")
    match words:
        case ["version", "--request-timeout=5s"]:
            print("Client and server of a test")
            return
        case ["uncordon", machine] | ["--namespace", _, "uncordon", machine]:
            node_of(machine.replace("machine", SET))
            return
        case ["--namespace", namespace, *rest] if namespace == NAMESPACE:
            words = rest
        case _:
            refuse(f"unknown: {words}")
    match words:
        case ["get", "statefulset", name, "-o", "jsonpath={.spec.replicas}"] if name == SET:
            print(3, end="")
        case ["get", "pod", pod, "-o", "jsonpath={.metadata.uid}"]:
            pid = pid_of(node_of(pod)) or refuse(f'pods "{pod}" not found')
            print(f"uid-of-{pid}", end="")
        case ["get", "pod", pod, "-o", "jsonpath={.spec.nodeName}"]:
            print(f"machine-{node_of(pod) - 1}", end="")
        case ["delete", "pod", pod, "--wait=true"]:
            end_pod(pod, signal.SIGTERM)
        case ["delete", "pod", pod, "--wait=true", "--force", "--grace-period=0"]:
            end_pod(pod, signal.SIGKILL)
        case ["create", "--raw", path, "-f", "-"]:
            eviction = json.load(sys.stdin)
            pod = eviction["metadata"]["name"]
            if (eviction["kind"], eviction["apiVersion"]) != ("Eviction", "policy/v1"):
                refuse(f"not an eviction: {eviction}")
            if path != f"/api/v1/namespaces/{NAMESPACE}/pods/{pod}/eviction":
                refuse(f"the server could not find {path}")
            end_pod(pod, signal.SIGTERM)
        case ["drain", machine, "--ignore-daemonsets", "--delete-emptydir-data", "--timeout=120s"]:
            end_pod(machine.replace("machine", SET), signal.SIGTERM)
        case ["wait", "--for=condition=Ready", pod, "--timeout=180s"]:
            wait(f"{pod} to be ready", lambda: ready(node_of(pod.removeprefix("pod/"))))
        case ["port-forward", pod, *pairs] if len(pairs) == 3:
            forward(pod.removeprefix("pod/"), pairs)
        case ["logs", pod, "--tail=5000"]:
            sys.stdout.write((DIR / f"node-{node_of(pod)}.log").read_text())
        case _:
            refuse(f"unknown: {words}")


main(sys.argv[1:])
