"""Signatures: the vectors of RFC 4231, the proof of sender and time, and the ids that can be stored."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing_weights.domain.signing import (
    DELIVERY,
    SIGNATURE,
    TIMESTAMP,
    delivery_of,
    hmac_sha256,
    require_size,
    signature,
    verify,
)
from routing_weights.errors import WebhookInvalid, WebhookRefused, WebhookTooLarge

NOW = 1_790_000_000
SECRET, NEW = "secret", "new"
SECRETS = st.text(min_size=1, max_size=80).filter(lambda text: text.isprintable())

RFC_4231 = [
    (b"\x0b" * 20, b"Hi There", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"),
    (
        b"Jefe",
        b"what do ya want for nothing?",
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
    ),
    (b"\xaa" * 20, b"\xdd" * 50, "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"),
    (bytes(range(1, 26)), b"\xcd" * 50, "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b"),
    (
        b"\xaa" * 131,
        b"Test Using Larger Than Block-Size Key - Hash Key First",
        "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
    ),
    (
        b"\xaa" * 131,
        (
            b"This is a test using a larger than block-size key and a larger than block-size data. "
            b"The key needs to be hashed before being used by the HMAC algorithm."
        ),
        "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2",
    ),
]
TRUNCATED = (b"\x0c" * 20, b"Test With Truncation", "a3b6167473100ee06e0c796c2955552b")


@pytest.mark.parametrize(("key", "data", "digest"), RFC_4231)
def test_the_vectors_of_rfc_4231(key, data, digest):
    assert hmac_sha256(key, data) == digest


def test_the_truncated_vector_of_rfc_4231():
    key, data, digest = TRUNCATED
    assert hmac_sha256(key, data)[:32] == digest


def headers_for(body, secret=SECRET, timestamp=str(NOW)):
    return {TIMESTAMP: timestamp, SIGNATURE: signature(secret.encode(), timestamp, body)}


@given(body=st.binary(max_size=300), secret=SECRETS, late=st.integers(-300, 300))
def test_what_is_signed_within_five_minutes_is_taken(body, secret, late):
    verify(headers_for(body, secret), body, ["another", secret], NOW + late)


@given(body=st.binary(min_size=1, max_size=200), at=st.integers(0, 199), flip=st.integers(1, 255))
def test_any_other_byte_in_the_body_is_refused(body, at, flip):
    changed = bytearray(body)
    changed[at % len(body)] ^= flip
    with pytest.raises(WebhookRefused):
        verify(headers_for(body), bytes(changed), ["secret"], NOW)


@given(body=st.binary(max_size=50), at=st.integers(0, 9), digit=st.sampled_from("0123456789 x-.\u0661"))
def test_any_other_character_in_the_timestamp_is_refused(body, at, digit):
    timestamp = str(NOW)
    changed = timestamp[:at] + digit + timestamp[at + 1 :]
    if changed != timestamp:
        with pytest.raises(WebhookRefused):
            verify(headers_for(body) | {TIMESTAMP: changed}, body, ["secret"], NOW)


@given(secret=SECRETS, other=SECRETS)
def test_any_other_secret_is_refused(secret, other):
    # HMAC fills a key up with zeros, and printable text has none.
    if secret != other:
        with pytest.raises(WebhookRefused):
            verify(headers_for(b"{}", secret), b"{}", [other], NOW)


@given(at=st.integers(0, 70), to=st.characters())
def test_any_other_character_in_the_signature_is_refused(at, to):
    headers = headers_for(b"{}")
    good = headers[SIGNATURE]
    changed = good[:at] + to + good[at + 1 :]
    if changed != good:
        with pytest.raises(WebhookRefused):
            verify(headers | {SIGNATURE: changed}, b"{}", ["secret"], NOW)


@given(st.dictionaries(st.sampled_from([TIMESTAMP, SIGNATURE, DELIVERY]), st.text()))
def test_whatever_headers_are_sent_the_answer_is_a_refusal(headers):
    with pytest.raises(WebhookRefused) as refusal:
        verify(headers, b"{}", ["secret"], NOW)
    assert "secret" not in refusal.value.message


@pytest.mark.parametrize("late", [-301, 301, 86_400, -NOW])
def test_a_stale_timestamp_is_refused_however_well_it_is_signed(late):
    with pytest.raises(WebhookRefused, match="300 s"):
        verify(headers_for(b"{}"), b"{}", ["secret"], NOW + late)


def test_without_a_secret_everything_is_refused_even_what_is_signed_with_nothing():
    with pytest.raises(WebhookRefused, match="no secret"):
        verify(headers_for(b"{}", ""), b"{}", [], NOW)


def test_a_body_may_have_256_kib_and_no_more():
    require_size(b"x" * 262_144)
    with pytest.raises(WebhookTooLarge, match="262145 bytes"):
        require_size(b"x" * 262_145)


@pytest.mark.parametrize("delivery_id", ["", "a b", "a\n", "é", "x" * 129])
def test_an_id_that_cannot_be_kept_is_refused(delivery_id):
    with pytest.raises(WebhookInvalid):
        delivery_of({DELIVERY: delivery_id})
