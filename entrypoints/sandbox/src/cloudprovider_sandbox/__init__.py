"""A Kubernetes API server, a cloud emulator and the manager on one machine, for trying."""
