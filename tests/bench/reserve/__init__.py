"""How fast the reservation core decides: alone, over processes, over sockets, next to others."""
