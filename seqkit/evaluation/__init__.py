"""Scoring whole files and models, with the checks that make a score mean something."""
