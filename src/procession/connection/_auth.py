"""Proving to each other that both peers know the key, without sending it.

Idea: one peer sends random bytes, the other answers with a keyed hash (HMAC) of them; then the
roles are exchanged. The two halves are generators that know no transport: they yield what is to be
sent and receive what arrived, so they serve connections that block and sockets that do not.

Invariant: before a peer has shown that it knows the key, nothing that it sends is unpickled, and
none of its messages is longer than `LONGEST_MESSAGE` bytes.

The messages are those of the standard library. From its version 3.12 on a challenge names the
hash in braces, and so does the answer. Before, the hash was MD5: a challenge of 20 bytes without a
name is answered so, and an answer of 16 bytes is checked so.

Source: the documentation of the standard library's `connection` module, and what it sends.

Layer: ipc; imports the base layer only; `hmac` on first use.
"""

from __future__ import annotations

import os

from .._base import log
from .._base.errors import AuthenticationError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator
    from typing import Any

    # It yields a message to be sent, or None to be given the next message that arrived. An error in
    # sending is thrown into it; it raises that again, or the error that it found before.
    Steps = Generator[bytes | None, bytes, None]

# Bytes that a peer which has not shown the key can make this process hold.
LONGEST_MESSAGE = 256

# Random bytes of a challenge. Not 20: that length identifies the older protocol.
MESSAGE_LENGTH = 40

_CHALLENGE = b"#CHALLENGE#"
_WELCOME = b"#WELCOME#"
_FAILURE = b"#FAILURE#"
CHALLENGE, WELCOME, FAILURE = _CHALLENGE, _WELCOME, _FAILURE  # their names before 3.12

_DIGESTS = frozenset({b"md5", b"sha256", b"sha384", b"sha3_256", b"sha3_384"})
_OLD_CHALLENGE_LENGTH = 20
_OLD_ANSWER_LENGTH = 16


def load() -> None:
    """Import what the steps need: later there may be no descriptor left to read a module."""
    import hmac  # noqa: F401 - costs more than the rest of the package


def deliver_steps(authkey: bytes, digest_name: str = "sha256") -> Steps:
    """Ask the peer to prove that it knows *authkey*."""
    challenge = b"{%b}%b" % (digest_name.encode("ascii"), os.urandom(MESSAGE_LENGTH))
    yield _CHALLENGE + challenge
    answer = yield None
    try:
        _verify_challenge(authkey, challenge, answer)
    except AuthenticationError:
        try:
            yield _FAILURE
        except OSError:  # the wrong key is the error that is raised
            log.debug("a peer with a wrong key closed its end before it was told")
        raise
    yield _WELCOME


def answer_steps(authkey: bytes) -> Steps:
    """Prove to the peer, when it asks, that this process knows *authkey*."""
    message = yield None
    if not message.startswith(_CHALLENGE):
        raise AuthenticationError(
            f"Protocol error, expected challenge, got {message!r}: the other side wants no key, or "
            f"it is no listener of this kind"
        )
    yield _create_response(authkey, message[len(_CHALLENGE) :])
    verdict = yield None
    if verdict != _WELCOME:
        raise AuthenticationError("digest sent was rejected: the other side has another authkey")


def both_steps(authkey: bytes, asks_first: bool) -> Steps:
    """Do the whole handshake; the listener asks first."""
    if asks_first:
        yield from deliver_steps(authkey)
        yield from answer_steps(authkey)
    else:
        yield from answer_steps(authkey)
        yield from deliver_steps(authkey)


def deliver_challenge(connection: Any, authkey: bytes, digest_name: str = "sha256") -> None:
    """Make the other end of *connection* prove that it knows *authkey*.

    Raises:
        AuthenticationError: it does not.
        ValueError: *authkey* is not `bytes`.
    """
    _run(deliver_steps(_checked(authkey), digest_name), connection)


def answer_challenge(connection: Any, authkey: bytes) -> None:
    """Prove to the other end of *connection* that this one knows *authkey*.

    Raises:
        AuthenticationError: the other end has another key, or asks in an unknown way.
        ValueError: *authkey* is not `bytes`.
    """
    _run(answer_steps(_checked(authkey)), connection)


def _checked(authkey: bytes) -> bytes:
    if not isinstance(authkey, bytes):
        raise ValueError(f"Authkey must be bytes, not {type(authkey)!s}")
    return authkey


def _run(steps: Steps, connection: Any) -> None:
    """Do *steps* over a connection that blocks."""
    message = next(steps)
    try:
        while True:
            if message is None:
                message = steps.send(connection.recv_bytes(LONGEST_MESSAGE))
            else:
                _send(steps, connection, message)
                message = next(steps)
    except StopIteration:
        return


def _send(steps: Steps, connection: Any, message: bytes) -> None:
    try:
        connection.send_bytes(message)
    except OSError as error:
        steps.throw(error)


def _parse_digest(message: bytes) -> tuple[str, bytes]:
    """Return the name of the hash that *message* begins with, and what follows.

    The name is empty for a message of the older protocol, which its length identifies.
    """
    if len(message) in (_OLD_CHALLENGE_LENGTH, _OLD_ANSWER_LENGTH):
        return "", message
    name, brace, rest = message[1:].partition(b"}")
    if message.startswith(b"{") and brace and name in _DIGESTS:
        return name.decode("ascii"), rest
    raise AuthenticationError(
        f"unsupported message length, missing digest prefix, or unsupported digest: {message!r}; "
        f"known are {', '.join(sorted(name.decode() for name in _DIGESTS))}"
    )


def _create_response(authkey: bytes, message: bytes) -> bytes:
    """Return the answer to the challenge *message*; the hash covers its own name as well."""
    import hmac

    if len(message) < _OLD_CHALLENGE_LENGTH:
        raise AuthenticationError(f"challenge too short: {len(message)} bytes")
    name, _ = _parse_digest(message)
    if name:
        return b"{%b}%b" % (name.encode("ascii"), hmac.digest(authkey, message, name))
    try:
        return hmac.digest(authkey, message, "md5")
    except ValueError:  # no MD5 on this system; a peer that knows no other will refuse this
        return b"{sha256}" + hmac.digest(authkey, message, "sha256")


def _verify_challenge(authkey: bytes, message: bytes, response: bytes) -> None:
    """Raise AuthenticationError unless *response* is an answer to the challenge *message*.

    The peer may choose the hash. An old one is of no use to an attacker: the challenge names the
    hash that was asked for, and is hashed itself, so an answer recorded elsewhere does not fit.
    """
    import hmac

    name, digest = _parse_digest(response)
    name = name or "md5"
    try:
        expected = hmac.digest(authkey, message, name)
    except ValueError as error:
        raise AuthenticationError(f"digest {name!r} is not supported here") from error
    if not hmac.compare_digest(expected, digest):
        raise AuthenticationError("digest received was wrong: the other side has another authkey")
