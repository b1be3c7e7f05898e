"""The state in PostgreSQL, shared by several replicas. Needs psycopg, which is an extra of the package."""
