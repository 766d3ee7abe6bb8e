"""Gnocchi's API as an application; its options are in sys.argv."""

from gnocchi.cli import api
from gnocchi.rest import app


def load() -> object:
    """The application behind its paste pipeline."""
    return app.load_app(api.prepare_service())
