"""The agent's options, in the group [tsmig_agent].

Declarations only. The bus is configured as every OpenStack service has it:
transport_url and [oslo_messaging_rabbit], the same as Nova's.
"""

from oslo_config import cfg

from watcher_tsmig.agent import spool

GROUP = 'tsmig_agent'

OPTIONS = (
    cfg.StrOpt(
        'host',
        help="""
Name of this compute host as Nova has it, [DEFAULT]host of nova-compute. Unset:
what nova_config_files say, or the machine's name.
""",
    ),
    cfg.StrOpt(
        'libvirt_uri',
        default='qemu:///system',
        help="""
libvirt's local socket: qemu:///system, or
qemu+unix:///system?socket=/path. Nothing that leaves this host is accepted.
""",
    ),
    cfg.StrOpt(
        'state_dir',
        default='/var/lib/tsmig-agent',
        help="""
Folder for the ledgers of caps and of memory given back. It must outlive a
restart of the agent: what it set is taken back from there. Only the agent may
write to it.
""",
    ),
    cfg.StrOpt(
        'socket',
        default='/run/tsmig-agent/agent.sock',
        help="""
UNIX socket for root and for the agent's own user (tsmig-agent ask). Empty:
none.
""",
    ),
    cfg.BoolOpt(
        'bus',
        default=True,
        help="""
Whether to answer on the cloud's message bus (transport_url). Off: only on the
socket.
""",
    ),
    cfg.IntOpt(
        'workers',
        default=8,
        min=1,
        max=64,
        help="""
Requests of the bus that are worked on at once; what comes beyond waits in the
bus.
""",
    ),
    cfg.FloatOpt(
        'tick',
        default=1.0,
        min=0.1,
        max=60.0,
        help="""
Seconds between two looks at the caps that are in force: what differs is set
again, what nobody renews ends.
""",
    ),
    cfg.MultiStrOpt(
        'nova_config_files',
        default=[
            '/etc/nova/nova.conf',
            '/etc/nova/nova-compute.conf',
            '/etc/nova/nova.conf.d',
            '/etc/nova/nova-compute.conf.d',
        ],
        help="""
Files that this host's nova-compute reads, and folders of which it reads every
*.conf; the last one wins. The agent reads its live migration settings from
there and tells them to the planner; those that are not there are skipped.
""",
    ),
    cfg.ListOpt(
        'tenant_interfaces',
        default=[],
        help="""
Network interfaces of this host that carry tenants' traffic, for example
bond1,br-ex. Where the interface of live migrations is none of these, nor
shares a device with one, application traffic does not contend with migrations
and the planner does not choose modes for it. Empty: unknown, which counts as
shared.
""",
    ),
    cfg.FloatOpt(
        'survey_budget',
        default=0.02,
        min=0.0,
        max=1.0,
        help="""
CPU of this host, in cores, that measuring the guests in the background may
take on average: what they write, how much of their memory is not zero and
what their pages are made of. The agent counts what it, libvirt and QEMU spend
on it, and what costs more is measured less often. 0: nothing is measured by
itself. Related: survey_interval, survey_at_once, spool.
""",
    ),
    cfg.FloatOpt(
        'survey_interval',
        default=1800.0,
        min=60.0,
        max=86400.0,
        help="""
Seconds after which each span of a guest's writing, and its contents, are
measured again at the earliest. All of them take two minutes for a guest, so
hosts with more guests than that leaves room for measure each less often.
""",
    ),
    cfg.IntOpt(
        'survey_at_once',
        default=2,
        min=1,
        max=16,
        help="""
Guests that are measured in the background at once. While one is, a request to
measure that guest is refused.
""",
    ),
    cfg.FloatOpt(
        'survey_bitmap_share',
        default=0.0,
        min=0.0,
        max=0.1,
        help="""
Share of its time that a guest may be measured by its dirty bitmap rather than
by sampling pages. It is more exact and sees what is written with the same
contents, but the guest's first write to each page is trapped meanwhile and its
huge pages are split. 0: never. Emulated guests (TCG) then seem to write
nothing.
""",
    ),
    spool.OPTION,
)


def register(conf: cfg.ConfigOpts) -> None:
    """Make the options known to a configuration."""
    conf.register_opts(OPTIONS, GROUP)


def list_opts() -> list[tuple[str, tuple[cfg.Opt, ...]]]:
    """For oslo-config-generator."""
    return [(GROUP, OPTIONS)]
