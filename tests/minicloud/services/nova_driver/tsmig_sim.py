"""A virt driver whose guests live in the mini-cloud's hypervisors.

It does to them what Nova's libvirt driver does to QEMU, at the same pace:
the monitor looks every half second, writes Nova's memory counters every
fifth, takes orders (force_complete) between two looks, and says `running
(post-copy)` when the switch has happened. What Nova's options say of
libvirt holds here: live_migration_permit_post_copy, _bandwidth, _downtime with
its steps, _completion_timeout (whose action is to abort).
Source: nova/virt/libvirt/driver.py, _live_migration_monitor.
"""

import json
import os
import socket
import time

import nova.conf
from nova import exception
from nova.compute import power_state
from nova.virt import fake
from nova.virt import hardware
from nova.virt import node
from oslo_log import log as logging

CONF = nova.conf.CONF
LOG = logging.getLogger(__name__)
SOCKET = os.environ['TSMIG_HYPERVISORS']
LOOK_EVERY = 0.5
SAVE_EVERY = 10  # looks
GIB = 1 << 30
MIB = 1 << 20


def ask(verb, **arguments):
    """One request to the hypervisors.

    :raises NovaException: it was refused
    """
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(30)
        connection.connect(SOCKET)
        request = json.dumps({'verb': verb, **arguments}) + '\n'
        connection.sendall(request.encode())
        with connection.makefile() as answers:
            answer = json.loads(answers.readline())
    if 'error' in answer:
        raise exception.NovaException(answer['error'])
    return answer


class TsmigSimDriver(fake.FakeDriver):
    """One host of the mini-cloud."""

    vcpus = int(os.environ.get('TSMIG_VCPUS', '32'))
    memory_mb = int(os.environ.get('TSMIG_MEMORY_MB', '32768'))
    local_gb = int(os.environ.get('TSMIG_DISK_GB', '1000'))

    def __init__(self, virtapi, read_only=False):
        super().__init__(virtapi, read_only)
        self._orders = {}

    # -- the host

    def init_host(self, host):
        super().init_host(host)
        libvirt = CONF.libvirt
        nova = {
            'downtime_limit': libvirt.live_migration_downtime / 1000,
            'downtime_steps': libvirt.live_migration_downtime_steps,
            'downtime_delay': libvirt.live_migration_downtime_delay,
            'completion_timeout': (
                libvirt.live_migration_completion_timeout or None
            ),
        }
        ask('connect', host=host, nova=nova)

    def get_nodenames_by_uuid(self, refresh=False):
        # compute_id in state_path, kept over restarts
        return {node.get_local_node_uuid(): self.get_available_nodes()[0]}

    def get_available_resource(self, nodename):
        found = super().get_available_resource(nodename)
        mine = self._guests().values()
        found['uuid'] = node.get_local_node_uuid()
        found['memory_mb_used'] = sum(int(g['memory']) for g in mine) // MIB
        found['vcpus_used'] = len(mine)
        return found

    def get_host_uptime(self):
        # as uptime(1) prints it, which Nova parses
        return ' 10:00:00 up 1 day,  1:00,  0 users,  load average: 0, 0, 0'

    def _guests(self):
        found = ask('guests', host=CONF.host)['guests']
        return {guest['uuid']: guest for guest in found}

    # -- guests

    def list_instances(self):
        return [guest['name'] for guest in self._guests().values()]

    def list_instance_uuids(self):
        return list(self._guests())

    def instance_exists(self, instance):
        return instance.uuid in self._guests()

    def get_info(self, instance, use_cache=True):
        guest = self._guests().get(instance.uuid)
        if guest is None:
            raise exception.InstanceNotFound(instance_id=instance.uuid)
        return hardware.InstanceInfo(state=guest['state'])

    def spawn(self, context, instance, *args, **kwargs):
        ask(
            'define',
            uuid=instance.uuid,
            name=instance.name,
            host=CONF.host,
            memory=instance.flavor.memory_mb * MIB,
            # no storage is shared, so that they go along
            disks=[
                size * GIB
                for size in (instance.root_gb, instance.ephemeral_gb)
                if size
            ],
        )

    def destroy(self, context, instance, *args, **kwargs):
        ask('destroy', uuid=instance.uuid, host=CONF.host)

    def cleanup(self, context, instance, *args, **kwargs):
        pass

    def power_on(self, context, instance, *args, **kwargs):
        self.spawn(context, instance)
        ask('state', uuid=instance.uuid, state=power_state.RUNNING)

    def power_off(self, instance, timeout=0, retry_interval=0):
        ask('state', uuid=instance.uuid, state=power_state.SHUTDOWN)

    def pause(self, instance):
        ask('state', uuid=instance.uuid, state=power_state.PAUSED)

    def unpause(self, instance):
        ask('state', uuid=instance.uuid, state=power_state.RUNNING)

    def suspend(self, context, instance):
        ask('state', uuid=instance.uuid, state=power_state.SUSPENDED)

    def resume(self, context, instance, *args, **kwargs):
        ask('state', uuid=instance.uuid, state=power_state.RUNNING)

    # -- live migration

    def check_can_live_migrate_destination(self, context, instance, *args):
        try:
            ask('admit', uuid=instance.uuid, stage='check')
        except exception.NovaException as error:
            raise exception.InvalidCPUInfo(reason=str(error)) from None
        return super().check_can_live_migrate_destination(
            context, instance, *args
        )

    def pre_live_migration(self, context, instance, *args, **kwargs):
        ask('admit', uuid=instance.uuid)
        return super().pre_live_migration(context, instance, *args, **kwargs)

    def live_migration(
        self,
        context,
        instance,
        dest,
        post_method,
        recover_method,
        block_migration=False,
        migrate_data=None,
    ):
        orders = self._orders[instance.uuid] = []
        try:
            ask(
                'start',
                uuid=instance.uuid,
                destination=dest,
                cap=CONF.libvirt.live_migration_bandwidth * MIB,
            )
            ended = self._follow(instance, migrate_data, orders)
        except Exception:
            LOG.exception('Live migration failed', instance=instance)
            ended = 'failed'
        finally:
            self._orders.pop(instance.uuid, None)
        if ended == 'broken':
            raise exception.LiveMigrationError(reason='the guest is lost')
        if ended == 'completed':
            post_method(context, instance, dest, block_migration, migrate_data)
        elif ended == 'cancelled':
            recover_method(
                context,
                instance,
                dest,
                migrate_data,
                migration_status='cancelled',
            )
        else:
            recover_method(context, instance, dest, migrate_data)

    def _follow(self, instance, migrate_data, orders):
        """Look until the job has ended; how it did."""
        migration = getattr(migrate_data, 'migration', None)
        looks = 0
        while True:
            job = ask('progress', uuid=instance.uuid)
            if job['ended']:
                return job['ended']
            post_copy = job['phase'] == 'post-copy'
            if migration is not None and (
                post_copy and migration.status != 'running (post-copy)'
            ):
                migration.status = 'running (post-copy)'
                migration.save()
            while orders:
                self._obey(instance, orders.pop(0), post_copy)
            if migration is not None and looks % SAVE_EVERY == 0:
                migration.memory_total = int(job['total'])
                migration.memory_processed = int(job['processed'])
                migration.memory_remaining = int(job['remaining'])
                left = int(job['disk_remaining'])
                migration.disk_total = int(job['disk'])
                migration.disk_processed = int(job['disk']) - left
                migration.disk_remaining = left
                migration.save()
            looks += 1
            time.sleep(LOOK_EVERY)

    @staticmethod
    def _obey(instance, order, post_copy):
        if post_copy:
            return
        permitted = CONF.libvirt.live_migration_permit_post_copy
        verb = 'switch' if permitted else 'pause'
        LOG.info('%s: %s', order, verb, instance=instance)
        try:
            ask(verb, uuid=instance.uuid)
        except exception.NovaException as error:
            LOG.warning('%s: %s', order, error, instance=instance)

    def live_migration_force_complete(self, instance):
        self._orders[instance.uuid].append('force-complete')

    def live_migration_abort(self, instance):
        ask('abort', uuid=instance.uuid)

    def post_live_migration(self, context, instance, *args, **kwargs):
        pass

    def post_live_migration_at_destination(
        self, context, instance, *args, **kwargs
    ):
        # the guest is here already; after a cold migration it is not
        self.spawn(context, instance)
