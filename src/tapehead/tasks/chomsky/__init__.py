"""Formal languages by their place in the Chomsky hierarchy (Delétang et al. 2022)."""
