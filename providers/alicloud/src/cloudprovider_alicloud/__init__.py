"""Alibaba Cloud for Kubernetes: instances, load balancers, routes."""
