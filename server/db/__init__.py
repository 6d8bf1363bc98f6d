"""PostgreSQL: transactions that announce after COMMIT, and forward-only migrations."""
