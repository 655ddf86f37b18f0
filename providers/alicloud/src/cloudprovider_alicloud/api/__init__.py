"""The cloud's API: one module per product. Nothing of the vendor's SDK leaves this folder."""
