"""TLS on top of bytes that somebody else carries.

The event loops bring TLS too, but they do not tell how much of what was written has left. Here
every octet lies in one buffer, the connection's, so that a final dot that is still in it is known
not to have left.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping

#: Octets that are read at once; a TLS record has at most 16,384.
CHUNK = 65_536


class Cipher:
    """One TLS session, as a client. Whatever it wants to say lies in `outgoing`."""

    def __init__(self, context: ssl.SSLContext, host: str) -> None:
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._session = context.wrap_bio(self._incoming, self._outgoing, server_hostname=host)
        #: Whether the server has said goodbye.
        self.is_closed = False

    def shake(self, data: bytes) -> bool:
        """Go on with the handshake; whether it is complete.

        Raises:
            ssl.SSLError: it failed; what is in `outgoing` tells the server so.
        """
        self._incoming.write(data)
        try:
            self._session.do_handshake()
        except ssl.SSLWantReadError:
            return False
        return True

    def certificate(self) -> Mapping[str, object] | None:
        """The server's, as far as it was checked."""
        return self._session.getpeercert()

    def outgoing(self) -> bytes:
        """What must be sent to the server now."""
        return self._outgoing.read() if self._outgoing.pending else b""

    def opened(self, data: bytes) -> bytes:
        """The clear text of what came in, as far as it is complete.

        Raises:
            ssl.SSLError: it is no TLS, or was tampered with.
        """
        self._incoming.write(data)
        found = []
        while not self.is_closed:
            try:
                piece = self._session.read(CHUNK)
            except ssl.SSLWantReadError:
                break
            except ssl.SSLZeroReturnError:
                piece = b""
            self.is_closed = not piece
            found.append(piece)
        return b"".join(found)

    def sealed(self, data: bytes) -> bytes:
        """The same in cipher text.

        Raises:
            ssl.SSLError: the session takes nothing now.
        """
        rest = memoryview(data)
        while rest:
            rest = rest[self._session.write(rest) :]
        return self.outgoing()
