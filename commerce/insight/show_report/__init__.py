"""What the host sees of the running show: figures, series and results, each one a query."""
