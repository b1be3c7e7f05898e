"""Tests of what stands in deploy/, as far as they are quick. The slow ones are in tests_deploy/."""
