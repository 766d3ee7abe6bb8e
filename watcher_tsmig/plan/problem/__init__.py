"""From a cloud and a request to arrays: who may move, and what each may be."""
