"""Whether a migration may start now, and as planned."""
