"""Live video as gateways see it: tickets, addresses, engines, and what the picture is doing."""
