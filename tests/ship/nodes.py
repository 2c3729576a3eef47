"""Three nodes as processes, with real HAProxy before them: the configuration of compose.yaml at other addresses."""

import json
import math
import random
import re
import signal
import socket
import urllib.error
import urllib.request

from processes import HOLDFAST, PASSWORD, ROOT, run, start, wait_until

SETTINGS = """
[node]
id = {id}
data_dir = "{dir}/data"
log_dir = "{dir}/log"

[cluster]
name = "vip"
bootstrap = true
members = [{members}]

[listen]
jit = "127.0.0.1:{jit}"
admin_http = "127.0.0.1:{http}"
admin_grpc = "127.0.0.1:{grpc}"
peer = "127.0.0.1:{peer}"

[[programs]]
name = "default"
user = "marqeta"
passwords = ["{password}"]
"""


def free_ports(count):
    """Ports that nobody has, from below those that connections are given: a node that is down keeps its own."""
    held = []
    try:
        for _ in range(1000):
            if len(held) == count:
                break
            try:
                held.append(socket.create_server(("127.0.0.1", random.randint(12_000, 19_999))))
            except OSError:
                continue
        assert len(held) == count, "no free ports"
        return [server.getsockname()[1] for server in held]
    finally:
        for server in held:
            server.close()


def get(url, limit_s=1):
    """Status and body; 0 if nobody answers."""
    try:
        with urllib.request.urlopen(url, timeout=limit_s) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except OSError as error:
        return 0, str(error)


def in_contact(stats, name):
    """The sum of a metric of HAProxy over its rows for the nodes in contact. A server that follows another has none."""
    rows = get(f"http://{stats}/metrics")[1].splitlines()
    values = [float(row.split()[-1]) for row in rows if row.startswith(name) and 'proxy="quorum"' in row]
    return sum(value for value in values if not math.isnan(value))


def start_haproxy(haproxy, directory, nodes, vip_port, stats_port):
    """With the shipped file; only addresses differ."""
    text = (ROOT / "haproxy" / "haproxy.cfg").read_text()
    for node in nodes:
        text, count = re.subn(
            rf"(server \S+) node-{node.number}:8441 (check port 9441|track \S+(?: backup)?) resolvers .*",
            lambda found, node=node: (
                f"{found.group(1)} 127.0.0.1:{node.jit} " + found.group(2).replace("9441", str(node.http))
            ),
            text,
        )
        assert count == 5, f"node-{node.number} stands at {count} places of the three pools"
    for port, own in (("8440", vip_port), ("8404", stats_port)):
        assert text.count(f"bind :{port}\n") == 1
        text = text.replace(f"bind :{port}\n", f"bind 127.0.0.1:{own}\n")
    config = directory / "haproxy.cfg"
    config.write_text(text)
    return start([haproxy, "-db", "-f", config], directory / "haproxy.log")


class Node:
    def __init__(self, number, ports, directory, members):
        self.number = number
        self.jit, self.http, self.grpc, self.peer = ports
        self.dir = directory / f"node-{number}"
        self.dir.mkdir()
        self.config = self.dir / "node.toml"
        self.config.write_text(
            SETTINGS.format(
                id=number,
                dir=self.dir,
                members=members,
                jit=self.jit,
                http=self.http,
                grpc=self.grpc,
                peer=self.peer,
                password=PASSWORD,
            )
        )
        self.start()

    def start(self):
        self.process = start([HOLDFAST, "serve", "--config", self.config], self.dir / "output.log")

    def ready(self):
        return get(f"http://127.0.0.1:{self.http}/readyz?quorum")[0] == 200

    def wait_ready(self):
        wait_until(f"node {self.number} ready", 30, self.ready)

    def metrics(self):
        return get(f"http://127.0.0.1:{self.http}/metrics")[1]


class Cluster:
    def __init__(self, directory, haproxy):
        ports = free_ports(14)
        quads = [ports[0:4], ports[4:8], ports[8:12]]
        self.vip_port, self.stats_port = ports[12:14]
        members = ", ".join(
            f'{{ id = {number}, peer = "127.0.0.1:{quad[3]}", admin = "127.0.0.1:{quad[2]}" }}'
            for number, quad in enumerate(quads, 1)
        )
        self.processes = []
        self.nodes = [Node(number, quad, directory, members) for number, quad in enumerate(quads, 1)]
        for node in self.nodes:
            node.wait_ready()
        self.haproxy = start_haproxy(haproxy, directory, self.nodes, self.vip_port, self.stats_port)
        wait_until("three nodes behind the VIP", 15, lambda: self.behind() == 3)

    @property
    def vip(self):
        return f"127.0.0.1:{self.vip_port}"

    @property
    def admins(self):
        return [f"127.0.0.1:{node.grpc}" for node in self.nodes]

    def balancer(self, name):
        return in_contact(f"127.0.0.1:{self.stats_port}", name)

    def behind(self):
        return int(self.balancer("haproxy_backend_active_servers"))

    def ctl(self, *words):
        return run(HOLDFAST, "ctl", "--json", "--endpoint", ",".join(self.admins), *words)

    def status(self):
        return json.loads(self.ctl("cluster", "status").stdout)

    def stop(self):
        for process in [self.haproxy, *(node.process for node in self.nodes)]:
            process.send_signal(signal.SIGKILL)
            process.wait()
