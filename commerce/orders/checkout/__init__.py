"""Checkout: from reservations to an order, and every way an order can end."""
