"""Gives every Service of type LoadBalancer its load balancer."""
