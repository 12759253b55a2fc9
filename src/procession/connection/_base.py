"""What every connection can do, independent of what transports its bytes.

Idea: a connection checks its state and its arguments here. A subclass provides primitives that move
bytes: write the parts of a message, read so many bytes, read them into a buffer.

Invariant: a message that was begun is finished, or there is no message after it. An exception (of a
signal handler, for example) can cut a message short, and then the beginning of the next one cannot
be found. So a connection that was writing is closed, which tells the other end, and one that was
reading is no longer readable.

Layer: ipc; imports the base layer and `_pickling`.
"""

from __future__ import annotations

import pickle

from .._base.deadline import seconds_of
from .._base.errors import BufferTooShort
from .._pickling.pickler import pickle_parts, with_explanation
from . import _framing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Any, NoReturn, Self, SupportsIndex

    from .._pickling.pickler import Part

_loads = pickle.loads


class _ConnectionBase:
    """One end of a stream of messages.

    Args:
        handle: an open descriptor; it belongs to this object from now on.
        readable: whether messages come from there.
        writable: whether messages can be sent there.
    Raises:
        ValueError: the handle is negative, or the connection is neither readable nor writable.
    """

    _handle: int | None = None
    _why_unreadable = "connection is write-only"

    def __init__(self, handle: SupportsIndex, readable: bool = True, writable: bool = True):
        number = handle.__index__()
        if number < 0:
            raise ValueError(f"invalid handle {number}")
        if not readable and not writable:
            raise ValueError("at least one of `readable` and `writable` must be True")
        self._handle = number
        self._readable = readable
        self._writable = writable

    def __del__(self) -> None:
        if self._handle is not None:
            self._close()

    # ------------------------------------------------------------------------------------- state

    @property
    def closed(self) -> bool:
        """Whether the connection is closed."""
        return self._handle is None

    @property
    def readable(self) -> bool:
        """Whether messages can be received."""
        return self._readable

    @property
    def writable(self) -> bool:
        """Whether messages can be sent."""
        return self._writable

    def fileno(self) -> int:
        """Return the descriptor.

        Raises:
            OSError: the connection is closed.
        """
        return self._open_handle()

    def close(self) -> None:
        """Close the connection; closing it again does nothing."""
        if self._handle is not None:
            try:
                self._close()
            finally:
                self._handle = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        ways = {(True, True): "duplex", (True, False): "read-only", (False, True): "write-only"}
        way = ways.get((self._readable, self._writable), "broken")
        state = "closed" if self._handle is None else f"handle {self._handle}"
        return f"<{type(self).__name__} {way}, {state}>"

    def _open_handle(self) -> int:
        if self._handle is None:
            raise OSError("handle is closed")
        return self._handle

    def _source(self) -> int:
        """Return the descriptor to read from. Raises: OSError: closed, or write-only."""
        if not self._readable:
            self._open_handle()
            raise OSError(self._why_unreadable)
        return self._open_handle()

    def _target(self) -> int:
        """Return the descriptor to write to. Raises: OSError: closed, or read-only."""
        if not self._writable:
            self._open_handle()
            raise OSError("connection is read-only")
        return self._open_handle()

    # --------------------------------------------------------------------------------- messages

    def send(self, obj: Any) -> None:
        """Send *obj*, which must be picklable.

        Raises:
            OSError: the connection is closed, read-only or, as BrokenPipeError, without a reader.
            pickle.PicklingError, TypeError, AttributeError: it cannot be pickled, and the message
                names the part that is the cause; nothing was sent.
        """
        if self._handle is None or not self._writable:  # a call for each message costs too much
            self._target()
        try:
            parts = pickle_parts(obj)
        except (pickle.PicklingError, TypeError, AttributeError) as error:
            raise with_explanation(error, obj) from error
        self._send_parts(parts)

    def recv(self) -> Any:
        """Return the next object that the other end sent, waiting for it.

        Raises:
            EOFError: the other end is closed, and everything it sent was received.
            OSError: the connection is closed or write-only, or broke in the middle of a message.
        """
        if self._handle is None or not self._readable:
            self._source()
        return _loads(self._recv_bytes())

    def send_bytes(self, buf: Any, offset: int = 0, size: int | None = None) -> None:
        """Send *size* bytes of the bytes-like *buf* as one message, from *offset* on.

        Args:
            offset: in bytes, 0 or more.
            size: in bytes; None for all that follow *offset*.
        Raises:
            ValueError: *buf* has not that many bytes.
            OSError: as `send`.
        """
        self._target()
        view = memoryview(buf)
        if view.itemsize > 1 or view.ndim != 1:
            view = view.cast("B")
        if offset < 0:
            raise ValueError("offset is negative")
        if len(view) < offset:
            raise ValueError("buffer length < offset")
        if size is None:
            size = len(view) - offset
        elif size < 0:
            raise ValueError("size is negative")
        elif offset + size > len(view):
            raise ValueError("buffer length < offset + size")
        self._send_bytes(view[offset : offset + size])

    def recv_bytes(self, maxlength: int | None = None) -> bytes:
        """Return the bytes of the next message, waiting for it.

        Args:
            maxlength: in bytes; a longer message makes the connection unreadable.
        Raises:
            EOFError: as `recv`.
            ValueError: *maxlength* is negative.
            OSError: as `recv`, or the message is too long.
        """
        self._source()
        if maxlength is not None and maxlength < 0:
            raise ValueError("negative maxlength")
        return self._recv_bytes(maxlength)

    def recv_bytes_into(self, buf: Any, offset: int = 0) -> int:
        """Read the next message into the writable bytes-like *buf*, from *offset* (bytes) on.

        Returns:
            The length of the message, in bytes.
        Raises:
            BufferTooShort: *buf* is too short; ``args[0]`` is the message.
            TypeError: *buf* cannot be written to.
            ValueError: there is no such offset in *buf*.
            EOFError, OSError: as `recv`.
        """
        self._source()
        with memoryview(buf) as whole, whole.cast("B") as view:
            if view.readonly:
                raise TypeError(f"{type(buf).__name__} object cannot be written to")
            if offset < 0:
                raise ValueError("negative offset")
            if offset > len(view):
                raise ValueError("offset too large")
            with view[offset:] as target:
                return self._recv_into(target)

    def poll(self, timeout: float | None = 0.0) -> bool:
        """Return whether there is something to receive (or the end), waiting up to *timeout*.

        Args:
            timeout: seconds; None waits for ever, 0 or less only looks.
        Raises:
            OSError: the connection is closed or write-only.
        """
        self._source()
        return self._poll(timeout if timeout == 0.0 else seconds_of(timeout))

    # ------------------------------------------------------------------- what a subclass provides

    def _close(self) -> None:
        raise NotImplementedError

    def _write(self, parts: list[Part]) -> None:
        """Write all of *parts*, waiting as long as there is no room."""
        raise NotImplementedError

    def _read(self, size: int, begun: bool) -> bytes:
        """Read *size* bytes, waiting for them.

        Args:
            begun: the message had begun before.
        Raises:
            EOFError: the stream ended where a message could begin; OSError: inside of one.
        """
        raise NotImplementedError

    def _read_into(self, target: memoryview) -> None:
        """Fill *target*, waiting for the bytes. Raises: as `_read`."""
        raise NotImplementedError

    def _poll(self, timeout: float | None) -> bool:
        raise NotImplementedError

    # ------------------------------------------------------------------- built on what it provides

    def _send_bytes(self, buf: Part) -> None:
        self._send_parts([buf])

    def _send_parts(self, parts: list[Part]) -> None:
        """Send one message that consists of *parts*."""
        try:
            self._write([_framing.header(sum(map(len, parts))), *parts])
        except BlockingIOError:
            raise  # nothing was written
        except BaseException:
            self.close()
            raise

    def _recv_bytes(self, maxsize: int | None = None) -> bytes:
        return self._recv_body(self._recv_size(self._read(4, begun=False)), maxsize)

    def _recv_size(self, short_header: bytes) -> int:
        """Return the size of the message whose header begins with *short_header*."""
        size = _framing.read_size(short_header, self._read_begun)
        if size is None:
            self._bad_message_length("the header gives an impossible one")
        return size

    def _recv_body(self, size: int, maxsize: int | None = None) -> bytes:
        """Return the *size* bytes that follow the header of a message."""
        if maxsize is not None and size > maxsize:
            self._refuse_longer(size, maxsize)
        return self._read_begun(size)

    def _read_begun(self, size: int) -> bytes:
        """Read *size* bytes more of a message that has begun."""
        try:
            return self._read(size, begun=True) if size else b""
        except BaseException as error:
            self._cut_short(error)
            raise

    def _recv_into(self, target: memoryview) -> int:
        size = self._recv_size(self._read(4, begun=False))
        if size > len(target):
            raise BufferTooShort(self._recv_body(size))
        return self._fill(target[:size])

    def _fill(self, target: memoryview) -> int:
        """Read the body of a message into *target*, release that, and return the size."""
        with target:
            try:
                self._read_into(target)
            except BaseException as error:
                self._cut_short(error)
                raise
            return len(target)

    def _cut_short(self, error: BaseException) -> None:
        """Stop reading after *error* in the middle of a message: its end cannot be found."""
        if type(error) is not OSError:  # which is the end of the stream: nothing follows
            self._readable = False
            self._why_unreadable = f"connection lost its place: {type(error).__name__} in a message"

    def _refuse_longer(self, size: int, maxsize: int) -> NoReturn:
        self._bad_message_length(f"{size:,} bytes where {maxsize:,} are allowed")

    def _bad_message_length(self, detail: str) -> NoReturn:
        """Refuse a message. What follows it cannot be found, but messages can still be sent."""
        if self._writable:
            self._readable = False
            self._why_unreadable = f"connection lost its place: {detail}"
        else:
            self.close()
        raise OSError(f"bad message length: {detail}")
