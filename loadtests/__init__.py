"""Load tests: Locust users that speak the room's protocol, and the verdict on what they saw.

`canonical`, `sale_lane`, `room_view`, `evidence` and `invariants` are pure: they import neither
gevent nor Locust, so a test process can import them without being patched.
"""
