"""Reads what happened, and counts it. Changes nothing."""
