"""What the record holds about one order: what was shown, asked, decided and paid, and when."""
