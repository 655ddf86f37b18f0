"""Control loops and runtime of a cloud-controller-manager, for any provider."""
