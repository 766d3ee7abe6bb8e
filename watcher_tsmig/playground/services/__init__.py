"""The APIs of the simulated cloud, one module a service."""
