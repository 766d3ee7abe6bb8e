"""Plots say what they show, in SVG that any reader of XML takes."""

import math
import re
import xml.etree.ElementTree as ET

import testtools

from watcher_tsmig.report import plot
from watcher_tsmig.report import svg
from watcher_tsmig.report.plot import Caption
from watcher_tsmig.report.plot import Line
from watcher_tsmig.report.plot import Spot

NS = '{http://www.w3.org/2000/svg}'
CAPTION = Caption(title='Times', about='Told and real.', x='real, s', y='s')
NASTY = '<b>&"\'\x00\x1b]]>'


def texts(root):
    return [''.join(e.itertext()) for e in root.iter(f'{NS}text')]


def marks(root):
    """Centres of the marks of the plot, not those of the legend."""
    kept = {id(e) for g in root.iter(f'{NS}g') for e in g.iter()}
    return [
        (float(e.get('cx')), float(e.get('cy')))
        for e in root.iter(f'{NS}circle')
        if id(e) not in kept
    ]


class PlotCase(testtools.TestCase):
    def read(self, text):
        """The plot's tree; every number in it is one and on the page."""
        self.assertNotIn('nan', text.lower())
        self.assertNotIn('inf', re.sub('<(title|desc|text).*', '', text))
        root = ET.fromstring(text)
        self.assertEqual(f'{NS}svg', root.tag)
        high = float(root.get('height'))
        for element in root.iter():
            for name in ('x1', 'x2', 'cx'):
                x = float(element.get(name, 1))
                self.assertTrue(0 <= x <= svg.WIDTH, x)
            for name in ('y1', 'y2', 'cy'):
                y = float(element.get(name, 1))
                self.assertTrue(0 <= y <= high, y)
        return root


class TestScatter(PlotCase):
    def test_a_point_lands_where_both_axes_say(self):
        text = plot.scatter(CAPTION, {'pre-copy': [Spot(x=5, y=10)]})
        ((x, y),) = marks(self.read(text))
        # both axes go from 0 to 10: half of one, the end of the other
        self.assertEqual((plot.LEFT + svg.WIDTH - plot.RIGHT) / 2, x)
        ticks = [t for t in texts(self.read(text)) if t == '10']
        self.assertEqual(2, len(ticks))
        self.assertTrue(y < plot.HEIGHT / 4, y)

    def test_it_has_the_diagonal_a_band_a_legend_and_says_what_it_is(self):
        spots = [Spot(x=5, y=5, name='one'), Spot(x=9, y=8)]
        root = self.read(plot.scatter(CAPTION, {'a': spots, 'b': spots[:1]}))
        kinds = [e.get('class') for e in root.iter()]
        self.assertIn('band', kinds)
        self.assertIn('mark dash', kinds)
        for said in ('a', 'b', 'real, s', 's', 'Times'):
            self.assertIn(said, texts(root))
        self.assertEqual('Times', root.find(f'{NS}title').text)
        self.assertEqual('Told and real.', root.find(f'{NS}desc').text)

    def test_what_is_no_number_is_counted_and_not_drawn(self):
        spots = [
            Spot(x=1, y=math.inf), Spot(x=math.nan, y=1), Spot(x=2, y=2),
            Spot(x=1e300, y=1), Spot(x=-1, y=1),
        ]  # fmt: skip
        root = self.read(plot.scatter(CAPTION, {'a': spots}))
        self.assertEqual(1, len(marks(root)))
        self.assertIn(
            'not drawn, without a finite value: 4', ' '.join(texts(root))
        )

    def test_no_data_says_so(self):
        for groups in ({}, {'a': []}, {'a': [Spot(x=math.nan, y=1)]}):
            root = self.read(plot.scatter(CAPTION, groups))
            self.assertIn(plot.NOTHING, texts(root))

    def test_texts_are_escaped_everywhere(self):
        caption = Caption(title=NASTY, about=NASTY, x=NASTY, y=NASTY)
        root = self.read(
            plot.scatter(caption, {NASTY: [Spot(x=1, y=1, name=NASTY)]})
        )
        self.assertEqual([], [e for e in root.iter() if e.tag == f'{NS}b'])
        self.assertIn('<b>&"\'  ]]>', texts(root))

    def test_texts_and_sizes_are_bounded(self):
        long = 'x' * 5000
        text = plot.scatter(CAPTION, {long: [Spot(x=1, y=1, name=long)]})
        self.assertTrue(len(text) < 10_000, len(text))
        many = {'a': [Spot(x=1, y=1)] * (plot.MOST_POINTS + 1)}
        self.assertRaises(ValueError, plot.scatter, CAPTION, many)
        many = {str(i): [Spot(x=1, y=1)] for i in range(99)}
        self.assertRaises(ValueError, plot.scatter, CAPTION, many)

    def test_a_logarithmic_one_has_equal_ways_for_equal_ratios(self):
        caption = Caption(
            title='', about='', x='', y='', log_x=True, log_y=True
        )
        spots = [Spot(x=v, y=v) for v in (0.01, 1, 100)]
        left, middle, right = marks(
            self.read(plot.scatter(caption, {'': [*spots, Spot(x=0, y=0)]}))
        )
        self.assertAlmostEqual(middle[0] - left[0], right[0] - middle[0], 1)


class TestDots(PlotCase):
    def test_each_value_is_a_dot_and_the_mean_a_line(self):
        rows = {'ours': {'real': [2.0, 4.0, 9.0]}, 'theirs': {'real': [10.0]}}
        root = self.read(plot.dots(CAPTION, rows))
        places = sorted(x for x, _ in marks(root))
        self.assertEqual(4, len(places))
        means = [
            float(e.get('x1'))
            for e in root.iter(f'{NS}line')
            if 'mean' in e.get('class')
        ]
        per = (places[3] - places[0]) / 8
        self.assertAlmostEqual(places[0] + 3 * per, means[0], 1)
        self.assertAlmostEqual(places[3], means[1], 1)
        for said in ('ours', 'theirs', 'real'):
            self.assertIn(said, texts(root))

    def test_groups_of_a_row_have_lanes_and_marks_of_their_own(self):
        rows = {'x': {'a': [1.0], 'b': [1.0]}, 'y': {'b': [2.0]}}
        root = self.read(plot.dots(CAPTION, rows, at=1.5))
        kinds = [e.get('class') for e in root.iter()]
        self.assertEqual(2 + 1, kinds.count('m1'))
        self.assertEqual(1, kinds.count('mark dash'))

    def test_rows_without_values_take_no_room(self):
        root = self.read(plot.dots(CAPTION, {'x': {'a': [1.0], 'b': []}}))
        kinds = [e.get('class') for e in root.iter()]
        self.assertEqual(1, sum('mean' in (k or '') for k in kinds))

    def test_no_data_says_so(self):
        for rows in ({}, {'x': {}}, {'x': {'a': [math.nan]}}):
            self.assertIn(
                plot.NOTHING, texts(self.read(plot.dots(CAPTION, rows)))
            )

    def test_too_many_rows_are_refused(self):
        rows = {str(i): {'a': [1.0]} for i in range(99)}
        self.assertRaises(ValueError, plot.dots, CAPTION, rows)


class TestLines(PlotCase):
    def corners(self, root):
        kept = {id(e) for g in root.iter(f'{NS}g') for e in g.iter()}
        return [
            e.get('points').split()
            for e in root.iter(f'{NS}polyline')
            if id(e) not in kept
        ]

    def test_a_step_holds_its_value_until_the_next(self):
        points = [(0, 1), (1, 2), (2, 2)]
        text = plot.lines(CAPTION, [Line(name='a', points=points, step=True)])
        ((first, corner, *_),) = self.corners(self.read(text))
        self.assertEqual(first.split(',')[1], corner.split(',')[1])
        self.assertNotEqual(first.split(',')[0], corner.split(',')[0])

    def test_many_points_are_thinned_and_the_last_is_kept(self):
        points = [(i, i) for i in range(10_001)]
        text = plot.lines(CAPTION, [Line(name='a', points=points)])
        ((*few, last),) = self.corners(self.read(text))
        self.assertTrue(len(few) <= plot.MOST_POINTS)
        whole = [(0, 0), (10_000, 10_000)]
        text = plot.lines(CAPTION, [Line(name='a', points=whole)])
        self.assertEqual(last, self.corners(self.read(text))[0][-1])

    def test_marks_alone_and_a_single_point_are_seen(self):
        text = plot.lines(
            CAPTION,
            [
                Line(name='a', points=[(1, 2)]),
                Line(name='b', points=[(1, 2), (2, 3)], joined=False),
            ],
        )
        root = self.read(text)
        self.assertEqual([], self.corners(root))
        self.assertEqual(1, len(marks(root)))

    def test_no_data_says_so(self):
        for series in ([], [Line(name='a', points=[(math.nan, 1)])]):
            root = self.read(plot.lines(CAPTION, series))
            self.assertIn(plot.NOTHING, texts(root))


class TestScale(testtools.TestCase):
    def test_ticks_are_round_and_hold_all_values(self):
        for values, ticks in (
            ((9.3,), (0, 2, 4, 6, 8, 10)),
            ((0.013,), (0, 0.0025, 0.005, 0.0075, 0.01, 0.0125, 0.015)),
            ((-1, 1), (-1, -0.5, 0, 0.5, 1)),
            ((0, 0), (0, 0.2, 0.4, 0.6, 0.8, 1)),
            ((), (0, 0.2, 0.4, 0.6, 0.8, 1)),
        ):
            self.assertEqual(ticks, svg.scale(values, 0, 100).ticks)

    def test_logarithmic_ticks_are_round_too(self):
        found = svg.scale((0.03, 3.0), 0, 100, log=True)
        self.assertEqual((0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5), found.ticks)
        self.assertEqual(0, found.at(0.02))
        self.assertEqual((1, 2), svg.scale((1.0,), 0, 1, log=True).ticks)
        wide = svg.scale((1e-3, 1e6), 0, 100, log=True)
        self.assertEqual(10, len(wide.ticks))
