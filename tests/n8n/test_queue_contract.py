"""What we rely on of n8n in queue mode: on the stand-in in `make test`, and on a real n8n with PostgreSQL, Redis and
workers of its own in `make test-n8n`, which takes the whole loop too.
"""
