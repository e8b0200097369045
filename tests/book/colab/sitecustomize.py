"""Python reads this at its start where tests/book/colab is on PYTHONPATH: a machine without a network.

Each attempt to leave the machine fails and is noted in the file $NETWORK_LOG.  `google.colab` is
there and already imported, as in a notebook on Colab.  With $STALE_UTILS a module `utils` of
another project has been imported before the notebook begins.
"""

import os
import sys

LOCAL = ("127.", "::1", "localhost", "0.0.0.0")
WATCHED = ("socket.connect", "socket.sendto", "socket.getaddrinfo", "socket.gethostbyname")


def no_network(event, arguments):
    if event not in WATCHED:
        return
    where = arguments[1] if event in WATCHED[:2] else arguments[0]
    host = where[0] if isinstance(where, tuple) else where
    host = host.decode() if isinstance(host, bytes) else host
    # None or a path: this machine's own interface, or a Unix socket
    if host is None or host == "" or host.startswith((*LOCAL, "/")):
        return
    with open(os.environ["NETWORK_LOG"], "a", encoding="utf-8") as log:
        log.write(f"{event} {host}\n")
    raise OSError(f"no network in this test: {event} {host}")


if "NETWORK_LOG" in os.environ:
    sys.addaudithook(no_network)
    import google.colab  # noqa: F401
if "STALE_UTILS" in os.environ:
    import utils  # noqa: F401
