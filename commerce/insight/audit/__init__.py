"""The auditor: the invariants of stock, money and log, checked on live data."""
