"""What a session's requests were: how many, of whom, and whose clock is off.

Listens to the answers of one session, which all clients share; asks nothing
itself. Requests that got no answer are not seen here.
"""

import email.utils
import re
import threading
import time
from collections import Counter
from collections.abc import Mapping
from typing import Any

import requests

Session = Any  # keystoneauth's

# What an endpoint has behind its service, which is asked above that too.
VERSION = re.compile(r'/(v\d[^/]*(/.*)?)?$')


class Tally:
    """Answers by the URL that was asked, and the servers' clocks.

    :param session: keystoneauth's; it is listened to from now on
    """

    def __init__(self, session: Session) -> None:
        self._lock = threading.Lock()
        self._urls: Counter[str] = Counter()
        self._waits: dict[str, float] = {}
        # of each URL: s that its answer took, and its clock ahead of ours
        self._skews: dict[str, tuple[float, float]] = {}
        session.session.hooks['response'].append(self._answered)

    def _answered(
        self, answer: requests.Response, *_: object, **__: object
    ) -> None:
        took = answer.elapsed.total_seconds()
        url = answer.url.partition('?')[0]
        told = _moment(answer.headers.get('Date'))
        # half a second, since a Date has whole ones
        ahead = told and told + 0.5 - (time.time() - took / 2)
        with self._lock:
            self._urls[url] += 1
            self._waits[url] = self._waits.get(url, 0.0) + took
            if ahead is not None and took <= self._skews.get(url, (took,))[0]:
                self._skews[url] = took, ahead

    @property
    def total(self) -> int:
        """Requests that were answered."""
        return self._urls.total()

    def requests(self, endpoints: Mapping[str, str]) -> dict[str, int]:
        """Requests to each service that got some.

        :param endpoints: URL of each service, by its type
        """
        found: Counter[str] = Counter()
        with self._lock:
            for url, count in self._urls.items():
                found[_service(url, endpoints)] += count
        return dict(sorted(found.items()))

    def waits(self, endpoints: Mapping[str, str]) -> dict[str, float]:
        """Seconds until the answers of each service began, in all.

        Of requests that were under way at once each counts.

        :param endpoints: URL of each service, by its type
        """
        found: dict[str, float] = {}
        with self._lock:
            for url, took in self._waits.items():
                service = _service(url, endpoints)
                found[service] = found.get(service, 0.0) + took
        return dict(sorted(found.items()))

    def skews(self, endpoints: Mapping[str, str]) -> dict[str, float]:
        """Seconds that each service's clock is ahead of ours.

        By the Date of its quickest answer, which is true within a second and
        half the time that it took.

        :param endpoints: URL of each service, by its type
        """
        found: dict[str, tuple[float, float]] = {}
        with self._lock:
            for url, seen in self._skews.items():
                service = _service(url, endpoints)
                found[service] = min(seen, found.get(service, seen))
        return {name: ahead for name, (_, ahead) in sorted(found.items())}


def _service(url: str, endpoints: Mapping[str, str]) -> str:
    """The service whose endpoint is the longest that the URL begins with."""
    fits = [
        (len(base), name)
        for name, base in endpoints.items()
        if url.startswith(VERSION.sub('', base))
    ]
    return max(fits)[1] if fits else 'other'


def _moment(text: str | None) -> float | None:
    try:
        return email.utils.parsedate_to_datetime(text or '').timestamp()
    except ValueError:
        return None
