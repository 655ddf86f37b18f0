"""How headers of a request are read: all values, and nothing that can be read in two ways."""

import io

import pytest

from cloudprovider_manager.headers import HeaderReader


def read(text):
    reader, headers = HeaderReader(), {}
    reader(io.BytesIO(text if isinstance(text, bytes) else text.encode()), headers)
    return reader.pairs, headers


def test_repeated_headers_are_all_there():
    pairs, headers = read("X-Group: a\r\nx-group:  b \r\nX-Group: c,d\r\n\r\n")
    assert pairs == [("x-group", "a"), ("x-group", "b"), ("x-group", "c,d")]
    assert headers == {b"X-Group": b"a, b, c,d"}


def test_names_with_an_underscore_do_not_pass_for_others():
    pairs, headers = read("X_Remote_User: root\r\nX-Remote-User: ann\r\n\r\n")
    assert headers == {b"X-Remote-User": b"ann"}
    assert [value for name, value in pairs if name == "x-remote-user"] == ["ann"]


@pytest.mark.parametrize(
    ("raw", "value"),
    [("A: ü".encode(), "ü"), (b"A: \xfc", "ü"), (b"A:", ""), (b"A: a:b", "a:b")],
)
def test_values_are_text(raw, value):
    assert read(raw + b"\r\n\r\n")[0] == [("a", value)]


@pytest.mark.parametrize(
    "raw",
    [
        b"A: 1\n\r\n",
        b"A: 1\r\n 2\r\n\r\n",
        b"A: 1\r\n\t2\r\n\r\n",
        b"A : 1\r\n\r\n",
        b" A: 1\r\n\r\n",
        b"A\r\n\r\n",
        b": 1\r\n\r\n",
        b"A B: 1\r\n\r\n",
        b"\xc3\xbc: 1\r\n\r\n",
        b"A: 1\r2\r\n\r\n",
        b"A: \0\r\n\r\n",
        b"Host: a\r\nHost: b\r\n\r\n",
        b"Authorization: a\r\nauthorization: b\r\n\r\n",
        b"Content-Length: 1\r\nContent-Length: 1\r\n\r\n",
        b"Content-Length: 1, 1\r\n\r\n",
        b"Content-Length: 0x1\r\n\r\n",
        b"Content-Length: " + b"9" * 100 + b"\r\n\r\n",
        b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n",
        b"A: 1",
        b"",
    ],
)
def test_what_is_ambiguous_is_refused(raw):
    with pytest.raises(ValueError, match=r"\w"):
        read(raw)
