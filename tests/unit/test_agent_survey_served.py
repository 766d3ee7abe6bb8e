"""The survey as the agent's process begins it, or does not."""

import time
import types

from tests.unit.test_agent import VM
from tests.unit.test_agent_service import PATIENCE
from tests.unit.test_agent_service import Program
from watcher_tsmig.agent import service
from watcher_tsmig.agent import spool
from watcher_tsmig.agent.keeper import Keeper
from watcher_tsmig.agent.measure.writing import Measurements


class TestSurvey(Program):
    def settled(self, met):
        end = time.monotonic() + PATIENCE
        while not met():
            self.assertLess(time.monotonic(), end)
            time.sleep(0.01)
        return True

    def test_guests_are_measured_by_default_and_the_spool_says_so(self):
        self.serve(meanwhile=lambda: self.settled(self.spool.exists))
        self.assertEqual(0o750, self.spool.parent.stat().st_mode & 0o777)
        self.assertEqual({}, spool.read(self.spool))

    def test_without_a_budget_nobody_measures(self):
        self.conf(survey_budget=0)
        self.serve(meanwhile=lambda: None)
        self.assertFalse(self.spool.parent.exists())

    def test_where_the_spool_has_no_place_the_rest_is_served(self):
        self.conf(spool='/proc/not/there.json')
        self.assertTrue(self.serve(meanwhile=lambda: self.ask('caps')['ok']))
        self.assertIn('/proc/not cannot be made', self.log())

    def test_who_has_caps_is_not_measured(self):
        self.host.domains = lambda: [VM]
        self.left()
        made = service._survey(
            types.SimpleNamespace(
                spool=str(self.spool), survey_budget=0.1,
                survey_interval=60.0, survey_at_once=1,
                survey_bitmap_share=0.0,
            ),
            self.host,
            types.SimpleNamespace(measurements=Measurements(self.host)),
            Keeper(self.host, self.state / 'caps.json', time.time),
        )  # fmt: skip
        self.assertFalse(made._turn([0.0]))
