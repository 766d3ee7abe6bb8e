"""Names for the foreign objects that telemetry is handed.

Aliases only. None of these libraries gives its objects types that a checker
could use, so the name is what a reader gets.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

Compute = Any  # openstacksdk's compute proxy, of an administrator
GnocchiClient = Any  # gnocchiclient's client, version 1
Model = Any  # Watcher's compute model (ModelRoot)
Node = Any  # a compute node of that model
Instance = Any  # an instance of that model
Server = Any  # openstacksdk's server
Service = Any  # openstacksdk's compute service
Migration = Any  # openstacksdk's record of a migration
Aggregate = Any  # openstacksdk's host aggregate
ServerGroup = Any  # openstacksdk's server group
Placement = Any  # openstacksdk's placement proxy, of an administrator

# Opened only where it is needed, and closed afterwards
PlacementSource = Callable[[], AbstractContextManager[Placement]]

Network = Any  # openstacksdk's network proxy, of an administrator
# Made only where it is needed; it belongs to another proxy's session
NetworkSource = Callable[[], Network]
