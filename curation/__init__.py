"""Measurements, duplicate search, and the policy that turns them into verdicts."""
