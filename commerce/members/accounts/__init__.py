"""Accounts: guests in one call, logins for staff, and a brake on guessing."""
