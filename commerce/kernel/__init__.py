"""Words every feature shares: money, ids, errors, ports. Pure, and imported by all."""
