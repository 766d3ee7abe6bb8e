"""A small Prometheus behind real HTTP: instant queries of selectors.

Labels are matched by anchored expressions, a range has the scrapes in it, a
subquery looks at multiples of its step and sees a sample for five minutes.
"""

import http.server
import json
import re
import threading
from collections.abc import Callable
from urllib import parse

SCRAPE = 15.0
SEEN = 300.0
MATCHER = re.compile(r'(\w+)=~"([^"]*)"')
RANGE = re.compile(r'\[(\d+)s(?::(\d+)s)?\]$')

# What a series was at a moment; None where it was not scraped then
Value = Callable[[float], float | None]


class Prometheus:
    """Serves until the test is over.

    :ivar url: of the API's root
    :ivar queries: what was asked
    """

    def __init__(self, test):
        self.series: list[tuple[dict[str, str], Value]] = []
        self.queries: list[str] = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                asked = parse.parse_qs(parse.urlsplit(self.path).query)
                body = outer.answer(asked['query'][0], float(asked['time'][0]))
                self.send_response(200)
                self.send_header('Content-Type', 'application/json')
                self.send_header('Content-Length', str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                """Nobody reads it."""

        server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        test.addCleanup(thread.join, 10.0)
        test.addCleanup(server.server_close)
        test.addCleanup(server.shutdown)
        self.url = f'http://127.0.0.1:{server.server_port}'

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
