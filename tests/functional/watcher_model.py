"""Watcher's compute model as its data model API gives it away.

For tests that set what Watcher knows against what we read without it; no
assertion lives here.
"""

import types


class WatcherModel:
    """The real collector's model, by the names that readers use.

    :param client: watcherclient's
    """

    def __init__(self, client):
        self.nodes, self.instances = {}, {}
        for row in client.data_model.list().to_dict()['context']:
            node = _of(row, 'node_')
            self.nodes[node.uuid] = types.SimpleNamespace(
                **vars(node),
                memory_mb_capacity=(node.memory - node.memory_mb_reserved)
                * node.memory_ratio,
                vcpu_capacity=(node.vcpus - node.vcpu_reserved)
                * node.vcpu_ratio,
                disk_gb_capacity=(node.disk - node.disk_gb_reserved)
                * node.disk_ratio,
            )
            if row.get('server_uuid'):
                instance = _of(row, 'server_')
                self.instances[instance.uuid] = instance

    def get_all_compute_nodes(self):
        return self.nodes

    def get_all_instances(self):
        return self.instances


def _of(row, prefix):
    return types.SimpleNamespace(
        **{
            name.removeprefix(prefix): value
            for name, value in row.items()
            if name.startswith(prefix)
        }
    )
