"""Tests of deploy/ with the real programs: Prometheus, Grafana's components, helm. Run by `make deploy-test`."""
