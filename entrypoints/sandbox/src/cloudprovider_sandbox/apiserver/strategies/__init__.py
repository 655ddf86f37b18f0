"""What is special about each kind: defaults, validation, allocation."""
