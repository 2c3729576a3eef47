"""Nodes that say what a test wants, for states that last only a moment with real ones."""

import http.server
import socket
import threading

DECLINE = b'{"approved":false}'


class Pretended:
    """Declines whatever it is asked, and answers probes as it is told."""

    def __init__(self, number):
        self.number = number
        self.probes = {"/readyz": 200, "/readyz?quorum": 200}
        # While it is cleared the node stands still: its kernel takes connections, and nobody answers.
        self.going = threading.Event()
        self.going.set()
        self.doors = [serve(self, "POST", lambda _: (402, DECLINE)), serve(self, "GET", self.probed)]
        self.jit, self.http = (door.server_address[1] for door in self.doors)

    def probed(self, path):
        return self.probes[path], b""

    def stop(self):
        self.going.set()
        for door in self.doors:
            door.shutdown()
            door.server_close()


class Vanished(Pretended):
    """The same, but nobody gets a connection to it: the kernel is silent, as the network is for a host that is gone.
    Its probes still answer, until they are closed."""

    def __init__(self, number):
        super().__init__(number)
        self.doors.pop(0).shutdown()
        self.silent = socket.create_server(("127.0.0.1", 0), backlog=0)
        self.jit = self.silent.getsockname()[1]
        # What is in the queue is never accepted, and there is no room for more.
        self.waiting = [socket.socket() for _ in range(4)]
        for each in self.waiting:
            each.setblocking(False)
            each.connect_ex(("127.0.0.1", self.jit))

    def stop(self):
        super().stop()
        for each in [self.silent, *self.waiting]:
            each.close()


def serve(node, method, answer):
    """A server in threads of its own. `answer` makes status and body of a path."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_one(self):
            node.going.wait()
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            status, body = answer(self.path)
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    setattr(Handler, f"do_{method}", Handler.handle_one)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    # Whoever checks hangs up as soon as the status is there.
    server.handle_error = lambda *_: None
    threading.Thread(target=server.serve_forever, name=f"node-{node.number}", daemon=True).start()
    return server
