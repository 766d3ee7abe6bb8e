"""A small service on a compute host: caps, jobs, writing, contents, facts.

It does what its table of verbs lists (`verbs.py`) and nothing else. Nobody
plans here, and nothing here knows what a plan is.
"""
