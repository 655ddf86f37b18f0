"""The real transport against a scripted server on real sockets: requests, credentials, proxies.

Times are scaled down: a server that is silent for 0.2 s counts as dead here.
"""

import socket

import pytest
from transport_server import get, stream

from cloudprovider.concurrency import current
from cloudprovider_controllers.runtime.client import Client
from cloudprovider_controllers.runtime.clientbuilder import http_transports
from cloudprovider_controllers.runtime.errors import WritesStopped
from cloudprovider_controllers.runtime.kubeconfig import ClusterConfig, Impersonation
from cloudprovider_controllers.runtime.pool import KEEPALIVE
from cloudprovider_controllers.runtime.resources import NODES
from cloudprovider_controllers.runtime.transport import HttpTransport, TransportError

# -- requests ------------------------------------------------------------------------------------


def test_a_request_and_its_answer(serve, connect):
    server = serve(lambda e: e.reply(201, b'{"a":1}', Retry_After="3"))
    answer = get(connect(server), "/p", method="POST", body=b"{}", query={"a": "b c", "d": "é"})
    assert (answer.status, answer.data, answer.headers["retry-after"]) == (201, b'{"a":1}', "3")
    (exchange,) = server.exchanges
    assert (exchange.method, exchange.target) == ("POST", "/p?a=b+c&d=%C3%A9")
    assert exchange.body == b"{}"
    assert exchange.header("user-agent") == ["test/1"]
    assert exchange.header("accept-encoding") == ["identity"]
    assert exchange.header("authorization") == []


def test_connections_are_kept(serve, connect):
    server = serve(lambda e: e.reply())
    transport = connect(server)
    for _ in range(5):
        get(transport)
    assert len(server.sockets) == 1


def test_a_server_below_a_path(serve, connect):
    server = serve(lambda e: e.reply())
    config = ClusterConfig(f"http://127.0.0.1:{server.port}/k8s/clusters/c-1")
    transport = http_transports(config)(user_agent="x")
    get(transport, "/api")
    transport.close()
    assert server.exchanges[0].target == "/k8s/clusters/c-1/api"


def test_a_redirect_is_not_followed(serve, connect):
    server = serve(lambda e: e.reply(302, Location="http://elsewhere.invalid/"))
    assert get(connect(server)).status == 302


def test_impersonation(serve, connect):
    server = serve(lambda e: e.reply())
    whom = Impersonation("admin", "7", ("a", "b"), {"scopes/x": ("1", "2")})
    get(connect(server, impersonate=whom))
    exchange = server.exchanges[0]
    assert exchange.header("impersonate-user") == ["admin"]
    assert exchange.header("impersonate-uid") == ["7"]
    assert exchange.header("impersonate-group") == ["a", "b"]
    assert exchange.header("impersonate-extra-scopes%2Fx") == ["1", "2"]


def test_tcp_keepalive_is_on(serve, connect):
    server = serve(lambda e: e.start_chunks() or e.wait_for_close())
    open_stream = stream(connect(server))
    sock = open_stream._answer.connection.sock
    options = [socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT]
    found = tuple(sock.getsockopt(socket.IPPROTO_TCP, option) for option in options)
    assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    assert found == KEEPALIVE == (30, 15, 9)
    open_stream.close()


# -- failures: was it sent? ----------------------------------------------------------------------


def test_a_refused_connection_was_never_sent():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    transport = HttpTransport(ClusterConfig(f"http://127.0.0.1:{port}"), user_agent="x")
    with pytest.raises(TransportError, match=r"^GET /x: http://127.0.0.1:\d+: .*refused") as caught:
        get(transport)
    assert not caught.value.sent


@pytest.mark.parametrize(
    "answer",
    [
        lambda e: True,
        lambda e: e.raw(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n123") or True,
        lambda e: e.raw(b"nonsense\r\n\r\n") or True,
        lambda e: e.raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab") or True,
    ],
    ids=["no answer", "cut off", "no HTTP", "cut off chunk"],
)
def test_a_broken_answer_may_have_been_carried_out(serve, connect, answer):
    server = serve(answer)
    with pytest.raises(TransportError) as caught:
        get(connect(server), method="POST", body=b"{}")
    assert caught.value.sent
    assert "object at" not in str(caught.value)


def test_a_frozen_server_costs_the_time_out(serve, connect):
    server = serve(lambda e: e.wait_for_close())
    started = current().monotonic()
    with pytest.raises(TransportError, match="timed out") as caught:
        get(connect(server), timeout=0.1)
    assert current().monotonic() - started < 1
    assert caught.value.sent


# -- credentials ---------------------------------------------------------------------------------


def test_a_rotated_token_is_used_at_once_when_the_old_is_refused(serve, connect, tmp_path):
    path = tmp_path / "token"
    path.write_text("old\n")

    def answer(exchange):
        good = exchange.header("authorization") == ["Bearer new"]
        exchange.reply(200 if good else 401)

    server = serve(answer)
    transport = connect(server, token_file=str(path))
    assert get(transport).status == 401
    path.write_text("new\n")
    assert get(transport).status == 200
    assert len(server.exchanges) == 3
    path.write_text("newer\n")
    assert stream(transport).status == 200


def test_no_credential_is_in_an_error(connect, serve, tmp_path):
    server = serve(lambda e: True)
    transport = connect(server, token="s3cret", proxy_url="")
    with pytest.raises(TransportError) as caught:
        get(transport)
    assert "s3cret" not in repr(caught.value)
    broken = tmp_path / "token"
    broken.write_text("s3cret\ns3cret")
    with pytest.raises(TransportError) as caught:
        get(connect(server, token_file=str(broken)))
    assert "s3cret" not in repr(caught.value)
    assert not caught.value.sent


# -- proxies -------------------------------------------------------------------------------------


def test_a_proxy_with_a_password(serve, connect):
    proxy = serve(lambda e: e.reply())
    config = ClusterConfig(
        "http://api.invalid:6443", proxy_url=f"http://u:p%40@127.0.0.1:{proxy.port}"
    )
    transport = HttpTransport(config, user_agent="x")
    assert get(transport).status == 200
    transport.close()
    exchange = proxy.exchanges[0]
    assert exchange.target == "http://api.invalid:6443/x"
    assert exchange.header("proxy-authorization") == ["Basic dTpwQA=="]


@pytest.mark.parametrize(("bypass", "through"), [("", True), ("127.0.0.1", False)])
def test_the_proxy_of_the_environment(serve, connect, monkeypatch, bypass, through):
    proxy, server = serve(lambda e: e.reply(299)), serve(lambda e: e.reply(200))
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.port}")
    monkeypatch.setenv("no_proxy", bypass)
    assert get(connect(server)).status == (299 if through else 200)


# -- the last look before a write ----------------------------------------------------------------


def test_a_write_is_looked_at_once_more_when_it_goes_into_the_socket(serve):
    server = serve(lambda exchange: exchange.reply(body=b'{"kind": "Node"}'))
    looks = iter([True])

    def check():
        if not next(looks, False):
            raise WritesStopped("over")

    transport = HttpTransport(ClusterConfig(f"http://127.0.0.1:{server.port}"), user_agent="test")
    client = Client(transport, check=check)
    with pytest.raises(WritesStopped):
        client.delete(NODES, "n")
    client.get(NODES, "n")
    transport.close()
    assert [exchange.method for exchange in server.exchanges] == ["GET"]
