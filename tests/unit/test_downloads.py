"""A download from an address that Genesys names: no token, no redirect, not too much, and not too late."""

import pytest
import requests

from routing_weights.adapters.genesys.client import GenesysClient
from routing_weights.adapters.genesys.transport import Deadline, Transport
from routing_weights.errors import (
    GenesysAnswerInvalid,
    GenesysRefused,
    GenesysUnavailable,
)
from tests.support.fakes import FakeSession, FakeTime


class Stream:
    """A response whose body comes in pieces."""

    def __init__(self, *pieces, status=200):
        self.status_code, self.headers, self.pieces, self.closed = status, {}, pieces, False

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.closed = True

    def iter_content(self, _size):
        for piece in self.pieces:
            if isinstance(piece, Exception):
                raise piece
            yield piece() if callable(piece) else piece


class NoTokens:
    def current(self, _number):
        raise AssertionError("a download asked for the token")

    replace = current


def downloading(*answers, base="https://api.mypurecloud.de"):
    time, session = FakeTime(), FakeSession(*answers)
    transport = Transport(
        session,
        Deadline(time.now + 20),
        5.0,
        clock=time.clock,
        wall_clock=time.wall_clock,
        sleep=time.sleep,
        jitter=lambda: 0.5,
    )
    return GenesysClient(base, NoTokens(), transport, lambda *_: ""), session, time


def test_a_download_is_requested_without_the_token_and_follows_no_redirect():
    client, session, _ = downloading(Stream(b'{"weekNumber"', b": 1}"))
    assert client.download("https://downloads.example.com/x?signature=y", 100) == {"weekNumber": 1}
    (sent,) = session.sent
    assert sent["headers"] == {"Accept": "application/json"}
    assert (sent["allow_redirects"], sent["stream"]) == (False, True)


class NoBudget:
    def _touched(self, *_):
        raise AssertionError("a third party's answer was taken for Genesys's rate limit")

    reserve = limited = seen = _touched


def test_a_download_says_nothing_about_the_rate_limit_of_genesys():
    client, session, time = downloading(Stream(status=429), Stream(b"{}"))
    client.transport.budget = NoBudget()
    assert client.download("https://downloads.example.com/x", 100) == {}
    assert (len(session.sent), len(time.slept)) == (2, 1)


@pytest.mark.parametrize(
    "url",
    [
        "http://downloads.example.com/x",
        "ftp://downloads.example.com/x",
        "file:///etc/passwd",
        "//downloads.example.com/x",
        "/x",
        "",
        "https://",
        "http://127.0.0.1:9001/x",
        "http://localhost/x",
        "http://[x",
        "https://[x",
    ],
)
def test_a_download_that_is_not_https_is_not_followed_nor_shown(url):
    client, session, _ = downloading(Stream(b"{}"))
    with pytest.raises(GenesysAnswerInvalid, match="not https") as caught:
        client.download(url, 100)
    assert session.sent == []
    assert not url or url not in str(caught.value)


@pytest.mark.parametrize(("url", "followed"), [("http://127.0.0.1:1/x", True), ("http://localhost:1/x", False)])
def test_a_local_genesys_may_offer_its_own_downloads_without_https(url, followed):
    client, session, _ = downloading(Stream(b"{}"), base="http://127.0.0.1:8080")
    if followed:
        assert client.download(url, 100) == {}
    else:
        with pytest.raises(GenesysAnswerInvalid):
            client.download(url, 100)
    assert len(session.sent) == followed


def test_a_download_is_read_to_its_limit_and_no_further():
    endless = Stream(b'"' + b"x" * 50 + b'"', b" " * 48, b" ", AssertionError("it was read further"))
    client, _, _ = downloading(endless)
    with pytest.raises(GenesysAnswerInvalid, match="more than 100 bytes"):
        client.download("https://downloads.example.com/x", 100)
    assert endless.closed
    exact = Stream(b'"' + b"x" * 98 + b'"')
    assert len(downloading(exact)[0].download("https://downloads.example.com/x", 100)) == 98


def test_a_download_that_drips_ends_with_the_deadline():
    client, _, time = downloading(None)
    drip = Stream(b"[", lambda: time.advance(21) or b"1", AssertionError("it was read further"))
    client.transport.session.answers = [drip]
    with pytest.raises(GenesysUnavailable, match="no time left"):
        client.download("https://downloads.example.com/x", 100)


@pytest.mark.parametrize(
    ("stream", "error"),
    [
        (Stream(status=403), GenesysRefused),
        (Stream(status=302), GenesysRefused),
        (Stream(b"{"), GenesysAnswerInvalid),
        (Stream(b"\xff"), GenesysAnswerInvalid),
        (Stream(b"[" * 5000), GenesysAnswerInvalid),
        (Stream(requests.exceptions.ChunkedEncodingError("https://signed")), GenesysUnavailable),
    ],
)
def test_a_download_that_fails_says_so_without_its_signed_url(stream, error):
    client, _, _ = downloading(stream)
    with pytest.raises(error) as caught:
        client.download("https://signed.example.com/x", 100_000)
    assert "signed" not in str(caught.value)
    assert stream.closed
