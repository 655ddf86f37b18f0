"""Classic load balancers (CLB): desired and observed state, their diff, and applying it."""
