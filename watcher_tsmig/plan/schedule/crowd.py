"""Who is still to cross each link, and what share of it a turn gives.

Counts, volumes and arriving traffic of the tasks that wait or run, link by
link. What runs now is links.py's; when a task starts generation.py's.
"""

import math

from watcher_tsmig.plan.schedule.links import Links
from watcher_tsmig.plan.schedule.links import Traffic
from watcher_tsmig.plan.schedule.links import Use
from watcher_tsmig.plan.schedule.tasks import Way


class Crowd:
    """The tasks of a pass that have not ended."""

    def __init__(self, links: Links) -> None:
        m = len(links.capacity)
        self.links = links
        self.present = [0] * m
        self.volume = [0.0] * m
        self.coming = [0.0] * m
        self.going = [0.0] * m

    def count(self, uses: tuple[Use, ...], way: Way, by: int) -> None:
        """One that goes that way is there (by 1), or no longer (by -1)."""
        for use in uses:
            if use.on_path:
                self.present[use.link] += by
                self.volume[use.link] += by * way.volume
        self.announce(uses, way, by)

    def announce(self, uses: tuple[Use, ...], way: Way, by: int) -> None:
        """Its traffic will move (by 1), or has or will not (by -1)."""
        trusted = way.early and self.links.trusting
        for use in uses:
            if use.moves > 0:
                self.coming[use.link] += by * use.moves
            elif trusted:
                self.going[use.link] -= by * use.moves

    def turn(
        self, on: Traffic, uses: tuple[Use, ...], way: Way, width: float
    ) -> float:
        """The rate that its turn gives a task."""
        turn = way.most
        for use in uses:
            if use.on_path:
                turn = min(turn, self._part(on, use, way, width))
        return max(turn, way.least)

    def _part(self, on: Traffic, use: Use, way: Way, width: float) -> float:
        """What one link gives it, where the link is divided by `width`."""
        link = use.link
        room = on.alone(use, way.early)
        shares = width
        if shares and way.most < room:
            shares = max(shares, math.ceil(room / way.most))
        if shares < math.inf:
            shares = min(shares, self.links.crowd[link], self.present[link])
        part = 1 / max(shares, 1)
        if part < 1:
            # neither what its own traffic leaves nor what that of others
            # will take is there for all who share
            app = on.app[link] + self.coming[link]
            if width == math.inf:
                # all go together, so that all take theirs away
                app = max(app - self.going[link], 0.0)
                room = self.links.room(link, app)
            else:
                room = min(room, self.links.room(link, app))
        if self.volume[link] > 0:
            # so that it does not end long after all others
            part = max(part, way.volume / self.volume[link])
        return room * min(part, 1.0)
