"""The demo network in namespaces and its traffic; tests and benchmarks build on it."""
