"""A scripted server on real sockets, with TLS if wanted, and requests to it."""

import contextlib
import ipaddress
import json
import re
import socket
import threading

from cryptography import x509


class Exchange:
    """One request on one connection, and ways to answer it."""

    def __init__(self, sock, head, body):
        self.sock = sock
        self.head = head.decode()
        self.body = body
        self.method, self.target = self.head.split(" ")[:2]

    def header(self, name):
        return re.findall(rf"^{name}: (.*?)\r?$", self.head, re.MULTILINE | re.IGNORECASE)

    def reply(self, status=200, body=b"{}", **headers):
        lines = "".join(f"{key.replace('_', '-')}: {value}\r\n" for key, value in headers.items())
        head = f"HTTP/1.1 {status} X\r\n{lines}Content-Length: {len(body)}\r\n\r\n"
        self.raw(head.encode() + body)

    def raw(self, data):
        self.sock.sendall(data)

    def start_chunks(self):
        self.raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")

    def chunk(self, data):
        self.raw(b"%x\r\n%s\r\n" % (len(data), data))

    def end_chunks(self):
        self.raw(b"0\r\n\r\n")

    def wait_for_close(self):
        with contextlib.suppress(OSError):
            self.sock.recv(1)


class Server:
    """Calls ``answer(exchange)`` for each request; closes the connection when that returns True."""

    def __init__(self, answer, context=None):
        self.answer = answer
        self.context = context
        self.exchanges = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.threads = [threading.Thread(target=self.accept, daemon=True)]
        self.threads[0].start()
        self.sockets = []

    def accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            self.sockets.append(sock)
            thread = threading.Thread(target=self.serve, args=(sock,), daemon=True)
            self.threads.append(thread)
            thread.start()

    def serve(self, sock):
        with contextlib.suppress(OSError), sock:
            if self.context is not None:
                sock = self.context.wrap_socket(sock, server_side=True)
            with sock:
                while (exchange := self.read(sock)) is not None:
                    self.exchanges.append(exchange)
                    if self.answer(exchange):
                        return

    def read(self, sock):
        data = b""
        while b"\r\n\r\n" not in data:
            more = sock.recv(65536)
            if not more:
                return None
            data += more
        head, _, body = data.partition(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
        while length and len(body) < int(length[1]):
            body += sock.recv(65536)
        return Exchange(sock, head, body)

    def close(self):
        # shutdown first: it wakes a thread that is blocked in accept.
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for sock in self.sockets:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        for thread in self.threads:
            thread.join(2)
            assert not thread.is_alive()


def get(transport, path="/x", *, method="GET", body=None, timeout=2.0, query=None):
    headers = {"accept": "application/json"}
    return transport.request(
        method, path, query=query or {}, headers=headers, body=body, timeout=timeout
    )


def stream(transport, read_timeout=2.0):
    return transport.stream("/w", query={"watch": "true"}, headers={}, read_timeout=read_timeout)


LOOPBACK = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))


def whoami(exchange):
    peer = exchange.sock.getpeercert() or {}
    subject = dict(pair[0] for pair in peer.get("subject", ()))
    exchange.reply(200, json.dumps(subject.get("commonName", "nobody")).encode())
