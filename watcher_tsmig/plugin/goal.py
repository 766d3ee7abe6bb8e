"""The goal that our strategies achieve; nothing but its names lives here."""

from watcher.decision_engine.goal import base

from watcher_tsmig.plugin import efficacy


class TrafficSensitiveMigration(base.Goal):
    """Move running VMs with, not against, the traffic of the tenants."""

    @classmethod
    def get_name(cls) -> str:
        """Name of the entry point and of the database row."""
        return 'traffic_sensitive_migration'

    @classmethod
    def get_display_name(cls) -> str:
        """What people see; at most 63 characters."""
        return 'Traffic-sensitive migration'

    @classmethod
    def get_translatable_display_name(cls) -> str:
        """What people see, in English."""
        return 'Traffic-sensitive migration'

    @classmethod
    def get_efficacy_specification(cls) -> efficacy.TrafficSensitiveMigration:
        """A class method, because Watcher's syncer asks the class."""
        return efficacy.TrafficSensitiveMigration()
