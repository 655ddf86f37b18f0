"""What a provider author would otherwise write again."""
