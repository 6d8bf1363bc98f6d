"""The only place that builds services, and the only clock and random source."""
