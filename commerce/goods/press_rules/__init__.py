"""Who may press: the extra rules that a host can set for one sale, off by default."""
