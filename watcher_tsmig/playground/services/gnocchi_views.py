"""What Gnocchi shows of resources, metrics and archive policies.

Bodies of answers only, as Gnocchi 4.7 gives them; the contract suite of the
mini-cloud compares them.
"""

from typing import Any

from watcher_tsmig.playground.services.metrics import GRANULARITY
from watcher_tsmig.playground.services.metrics import Metric
from watcher_tsmig.playground.services.metrics import Resource
from watcher_tsmig.playground.services.nova_views import OWNER

Json = dict[str, Any]
AGGREGATIONS = ('mean', 'rate:mean')
#: Ceilometer's own for counters, the one that every metric here has
POLICY: Json = {
    'name': 'ceilometer-low-rate',
    'back_window': 0,
    'definition': [
        {
            'timespan': '30 days, 0:00:00',
            'granularity': f'0:0{GRANULARITY // 60}:00',
            'points': 30 * 86400 // GRANULARITY,
        }
    ],
    'aggregation_methods': list(AGGREGATIONS),
}
CREATOR = {
    'creator': f'{OWNER}:{OWNER}',
    'created_by_user_id': OWNER,
    'created_by_project_id': OWNER,
}


def generic(resource: Resource, started: str) -> Json:
    """What every resource has, of whatever type.

    :param started: a moment in text
    """
    return {
        'id': resource.id,
        'type': resource.type,
        **CREATOR,
        'user_id': None,
        'project_id': OWNER,
        'original_resource_id': resource.attributes['original_resource_id'],
        'started_at': started,
        'ended_at': None,
        'revision_start': started,
        'revision_end': None,
    }


def metric(of: Resource, shown: Metric) -> Json:
    """A metric in a list of them."""
    return {
        'id': shown.id,
        'name': shown.name,
        'unit': shown.unit,
        **CREATOR,
        'resource_id': of.id,
        'archive_policy': POLICY,
    }


def one_metric(of: Resource, shown: Metric, started: str) -> Json:
    """A metric by itself, which has its resource in it."""
    body = metric(of, shown)
    del body['resource_id']
    return {**body, 'resource': generic(of, started)}


def no_aggregation(metric_id: str, how: str) -> Json:
    """The archive policy of a metric has no such aggregation."""
    return {
        'cause': 'Aggregation method does not exist for this metric',
        'detail': {'metric': metric_id, 'aggregation_method': how},
    }


def no_granularity(metric_id: str, how: str, granularity: float) -> str:
    """The archive policy of a metric has no such granularity."""
    return (
        f"Aggregation method '{how}' at granularity '{granularity}' for "
        f'metric {metric_id} does not exist'
    )


def unknown_metrics(unknown: list[str]) -> Json:
    """Some of the metrics to aggregate are not there."""
    return {
        'cause': 'Unknown metrics',
        'reason': "Provided metrics don't exists",
        'detail': unknown,
    }


def unknown_aggregations(pairs: list[tuple[str, str]]) -> Json:
    """Some of the metrics to aggregate do not have what is asked for."""
    return {
        'cause': 'Metrics with unknown aggregation',
        'detail': [list(pair) for pair in pairs],
    }


def missing_granularity(
    pairs: list[tuple[str, str]], granularity: float
) -> Json:
    """None of the metrics to aggregate has the granularity."""
    return {
        'cause': 'Metrics cannot be aggregated',
        'reason': 'Granularities are missing',
        'detail': [[*pair, granularity] for pair in pairs],
    }
