"""Prices that fall for everybody once so many units of a sale are promised."""
