"""The simulated cloud itself, which no API shows as it is."""
