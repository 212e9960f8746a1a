"""Whether a server answers, asked briefly: clients of services wait and retry for minutes where there is no network."""

import queue
import ssl
import threading
import urllib.error
import urllib.request


def unreachable(url: str, seconds: float = 5.0) -> str | None:
    """Why a server does not answer, or None if it does, whatever the answer; proxies of the environment are used.

    Args:
        url: Of any page of the server.
        seconds: How long to wait at most, the look-up of its name included.
    """
    answer: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    # A look-up of a name cannot be timed out from Python; a thread can be left behind.
    threading.Thread(target=lambda: answer.put(_ask(url, seconds)), daemon=True).start()
    try:
        return answer.get(timeout=seconds)
    except queue.Empty:
        return f"{url} did not answer within {seconds:g} seconds"


def _ask(url: str, seconds: float) -> str | None:
    try:
        with urllib.request.urlopen(url, timeout=seconds):
            return None
    except urllib.error.HTTPError:
        return None  # an error page is an answer
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        # Somebody is there; whether to trust the certificate is for the client, which may know further authorities.
        return None if isinstance(reason, ssl.SSLError) else f"{url}: {reason}"
