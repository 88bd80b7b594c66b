"""A server of bare sockets: it answers every connection with the bytes it was told, whether they are HTTP or not."""

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator

Words = Callable[[], Iterable[bytes]]


class RawServer:
    """Answers the n-th request for `/robots.txt` with 404 and any other with what `words` gives, then closes."""

    def __init__(self, words: Words) -> None:
        self.words = words
        self.requests: list[bytes] = []
        self.sent = 0
        self._stop = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def _accept(self) -> None:
        while not self._stop.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._answer, args=(connection,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _answer(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            connection.settimeout(10)
            head = b""
            while b"\r\n\r\n" not in head and (part := connection.recv(65536)):
                head += part
                if part.startswith(b"\x16"):  # a TLS hello
                    break
            # a connection that is closed again without a word asked for nothing
            if not head:
                return
            self.requests.append(head)
            if head.startswith(b"GET /robots.txt"):
                connection.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                return
            for word in self.words():
                if self._stop.is_set():
                    return
                connection.sendall(word)
                self.sent += len(word)
            connection.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        self._stop.set()
        # a listener that is only closed goes on accepting in its thread
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(timeout=5)


@contextlib.contextmanager
def speaking(*words: bytes) -> Iterator[RawServer]:
    """A server that says the same to everybody."""
    server = RawServer(lambda: words)
    try:
        yield server
    finally:
        server.close()


def endless(start: bytes, again: bytes, seconds: float = 0.0) -> Words:
    """A start, then the same again and again, with a pause between."""

    def words() -> Iterator[bytes]:
        yield start
        while True:
            yield again
            if seconds:
                time.sleep(seconds)

    return words
