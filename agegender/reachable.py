"""Checks within seconds whether a server can be reached.

Without a network, the clients of online services (Hugging Face hub, W&B) retry for minutes.
"""

import queue
import ssl
import threading
import urllib.error
import urllib.request


def unreachable(url: str, seconds: float = 5.0) -> str | None:
    """Return the reason why a server cannot be reached, or None if it responds.

    Any HTTP response counts, error responses too. The proxy settings of the environment are used.

    Args:
        url: URL of any page of the server.
        seconds: Timeout in seconds, including the DNS lookup.
    """
    result: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    # Python cannot interrupt a DNS lookup, so the request runs in a daemon thread that may outlive this call.
    threading.Thread(target=lambda: result.put(_request(url, seconds)), daemon=True).start()
    try:
        return result.get(timeout=seconds)
    except queue.Empty:
        return f"{url} did not respond within {seconds:g} seconds"


def _request(url: str, seconds: float) -> str | None:
    try:
        with urllib.request.urlopen(url, timeout=seconds):
            return None
    except urllib.error.HTTPError:
        return None  # the server responds
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        # A certificate error is a response too. The client checks the certificate, perhaps with more trusted authorities.
        return None if isinstance(reason, ssl.SSLError) else f"{url}: {reason}"
