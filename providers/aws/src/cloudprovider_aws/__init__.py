"""AWS for Kubernetes (placeholder of the distribution; the provider follows)."""
