"""When and how fast: tasks over links, stores and counters; no VM here."""
