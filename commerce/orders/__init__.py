"""The promise and the money: orders made of reservations, and what pays for them."""
