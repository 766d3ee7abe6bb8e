"""The parameters of audits and of actions."""
