"""Pipelines, workflow runs and jobs, as CircleCI tells of them, and what to look at next. Pure."""
