"""A small Prometheus behind its HTTP API: instant queries of selectors.

Labels are matched by anchored expressions, a range has the scrapes in it, a
subquery looks at multiples of its step and sees a sample for five minutes.
"""

import json
import re
from collections.abc import Callable
from urllib import parse

import requests_mock

SCRAPE = 15.0
SEEN = 300.0
MATCHER = re.compile(r'(\w+)=~"([^"]*)"')
RANGE = re.compile(r'\[(\d+)s(?::(\d+)s)?\]$')

# What a series was at a moment; None where it was not scraped then
Value = Callable[[float], float | None]


class Prometheus:
    """Answers until the test is over.

    :ivar url: of the API's root
    :ivar queries: what was asked
    """

    def __init__(self, test):
        self.series: list[tuple[dict[str, str], Value]] = []
        self.queries: list[str] = []
        self.url = 'http://prometheus.test:9090'
        # no server of its own: a test process whose threads Watcher has made
        # green does not get out of one
        mocker = requests_mock.Mocker(real_http=True)
        mocker.start()
        test.addCleanup(mocker.stop)
        mocker.get(re.compile(re.escape(self.url)), content=self._answered)

    def _answered(self, request, context) -> bytes:
        context.headers['Content-Type'] = 'application/json'
        asked = parse.parse_qs(parse.urlsplit(request.url).query)
        return self.answer(asked['query'][0], float(asked['time'][0]))

    def add(self, name: str, value: Value, **labels: str) -> None:
        """A series from now on."""
        self.series.append(({'__name__': name, **labels}, value))

    def answer(self, query: str, at: float) -> bytes:
        """What Prometheus says."""
        self.queries.append(query)
        span = RANGE.search(query)
        matchers = MATCHER.findall(query)
        rows = []
        for labels, value in self.series if matchers else ():
            if all(re.fullmatch(e, labels.get(n, '')) for n, e in matchers):
                seen = self._seen(value, at, span)
                key, told = ('values', seen) if span else ('value', seen[-1:])
                if told:
                    told = told if span else told[0]
                    rows.append({'metric': labels, key: told})
        kind = 'matrix' if span else 'vector'
        data = {'resultType': kind, 'result': rows}
        return json.dumps({'status': 'success', 'data': data}).encode()

    @staticmethod
    def _seen(value: Value, at: float, span: re.Match | None) -> list:
        back = float(span[1]) if span else SEEN
        step = float((span and span[2]) or SCRAPE)
        moments = [
            at // step * step - i * step for i in range(int(back / step))
        ]
        found = []
        for moment in reversed(moments):
            # the last scrape before the look
            scraped = value(moment // SCRAPE * SCRAPE)
            if scraped is not None:
                found.append([moment, str(scraped)])
        return found
