"""Stock Horizon, as an operator clicks through it."""
