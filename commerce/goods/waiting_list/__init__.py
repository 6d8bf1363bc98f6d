"""The waiting list: who comes next when units of a held-out sale come free."""
