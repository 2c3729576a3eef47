"""Three nodes as processes, with real HAProxy before them: the configuration of compose.yaml at other addresses."""

import json
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
        config = directory / "haproxy.cfg"
        config.write_text(self.haproxy_config((ROOT / "haproxy" / "haproxy.cfg").read_text()))
        self.haproxy = start([haproxy, "-db", "-f", config], directory / "haproxy.log")
        wait_until("three nodes behind the VIP", 15, lambda: self.behind() == 3)

    def haproxy_config(self, text):
        """The shipped file; only addresses differ."""
        for node in self.nodes:
            text, count = re.subn(
                rf"server node-{node.number} node-{node.number}:8441 (check port 9441|track \S+) resolvers .*",
                lambda found: (
                    f"server node-{node.number} 127.0.0.1:{node.jit} " + found.group(1).replace("9441", str(node.http))
                ),
                text,
            )
            assert count == 3, f"node-{node.number} stands in {count} of the three pools"
        for port, own in (("8440", self.vip_port), ("8404", self.stats_port)):
            assert text.count(f"bind :{port}\n") == 1
            text = text.replace(f"bind :{port}\n", f"bind 127.0.0.1:{own}\n")
        return text

    @property
    def vip(self):
        return f"127.0.0.1:{self.vip_port}"

    @property
    def admins(self):
        return [f"127.0.0.1:{node.grpc}" for node in self.nodes]

    def balancer(self, name):
        """The sum of a metric of HAProxy over its rows for the nodes in contact."""
        rows = get(f"http://127.0.0.1:{self.stats_port}/metrics")[1].splitlines()
        return sum(float(row.split()[-1]) for row in rows if row.startswith(name) and 'proxy="quorum"' in row)

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
